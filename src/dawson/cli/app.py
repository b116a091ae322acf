"""The command line: the program, its commands from :mod:`dawson.cli`, and how it ends.

Only typer is imported up front; everything heavier waits until a command really runs, so that help is
instant. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from dawson.cli import doctor, evaluate, model, report, search, segment, synth, train
from dawson.cli.terminal import DONE, INTERRUPTED, REFUSED, SEGMENT_EXIT_CODES, explain

VERBOSE = ("--verbose", "-v")
LOG = "dawson -v"
"""Name of the handler that writes to stderr."""

app = typer.Typer(
    name="dawson",
    help="Find and measure multiple sclerosis lesions on brain MRI (FLAIR, T1, T2).\n\n"
    "Research software, not a medical device.",
    epilog="\b\nStart with:         dawson demo\nIs all well here?   dawson doctor\n"
    "Help on a command:  dawson segment --help\n\n" + SEGMENT_EXIT_CODES,
    add_completion=False,
    rich_markup_mode=None,  # plain help: nothing is cut off on a narrow terminal, and it is there at once
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from dawson.core.version import dawson_version  # noqa: PLC0415 (only asked for here)

        typer.echo(f"dawson {dawson_version()}")
        raise typer.Exit


def _log(wanted: bool) -> None:
    """Let the library say on stderr what it does; once, however often it is asked for in one process."""
    logger = logging.getLogger("dawson")
    for handler in [handler for handler in logger.handlers if handler.name == LOG]:
        logger.removeHandler(handler)
    logger.setLevel(logging.INFO if wanted else logging.NOTSET)
    if wanted:
        handler = logging.StreamHandler()
        handler.name = LOG
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)


@app.callback(invoke_without_command=True)
def _dawson(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Say on stderr what is done; may also stand after the command."),
    ] = False,
) -> None:
    _log(verbose)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(REFUSED)


for _command in (segment, report, evaluate, train, model, search, synth, doctor):
    _command.register(app)


def _verbose_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``-v`` before the command, wherever it stood: no command has an option of that name."""
    options = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    others = [one for one in options if one not in VERBOSE]
    asked = [VERBOSE[0]] if len(others) < len(options) else []
    return [*asked, *others, *arguments[len(options) :]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit, with one of the codes that :mod:`dawson.cli.terminal` names."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name the locale cannot spell must not end in an error
            stream.reconfigure(errors="backslashreplace")
    try:
        code = (
            app(
                args=_verbose_first(sys.argv[1:] if arguments is None else arguments),
                prog_name="dawson",
                standalone_mode=False,
            )
            or DONE
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:  # dawson's own, the option parser's, and what nobody thought of
        sentence, code = explain(error)
        typer.echo(sentence, err=True)
    if code == INTERRUPTED:  # typer turns Ctrl-C into this number
        typer.echo("Interrupted.", err=True)
    sys.exit(code)
