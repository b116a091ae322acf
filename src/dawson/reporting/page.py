"""The report as one page: a single file that works offline, from any folder, and asks the network for nothing.

All text is escaped here; the words and figures come from :mod:`dawson.reporting.facts`. Without JavaScript or WebGL
everything but the viewer is there.
"""

from __future__ import annotations

from html import escape

from dawson.reporting.document import definitions, document, picture, section
from dawson.reporting.facts import SIGN, STATUS, Facts, Figure, Line, Table, count, facts
from dawson.reporting.figures import Drawn, draw
from dawson.reporting.viewer import Parts, asset, parts
from dawson.results.read import Result

MOSAIC = "Slices from below to above through all lesions, as scanned. z is the height in millimetres."
LARGEST = "Axial, coronal and sagittal plane through the lesion, sequence by sequence."
PROJECTION = (
    "All lesions seen through the brain from above, from the front and from the side. "
    "The lighter, the more lesion lies along the line of sight."
)
HOW = "Click or drag to move the crosshair, scroll to leaf through slices, drag with the right button for contrast."


def page(result: Result, *, viewer: bool = True, drawn: Drawn | None = None) -> str:
    """The page as HTML, UTF-8 when encoded; with the viewer some 4 to 14 MB, without it 1 to 3.

    ``drawn`` are the pictures, where the caller has them already.
    Raises :class:`dawson.core.errors.InputError` where a file of the result is missing, damaged or of another run.
    """
    told = facts(result)
    view = parts(result) if viewer else None
    sections = [
        _opening(told),
        section("Quality control", _quality(told)),
        section("Key figures", _figures(told.figures)),
        section("Regions", _regions(told)),
        section("Pictures", _pictures(result, drawn or draw(result))),
        section("Viewer", _viewer(view)) if view else "",
        section(count(len(told.lesions.rows), "lesion").capitalize(), _lesions(told, jump=view is not None)),
        section("How to read it", definitions(told.notes)),
        section("Provenance", definitions(told.provenance) + f'<p class="notice">{escape(told.notice)}</p>'),
    ]
    scripts = [view.library] if view else []
    return document(
        f"{told.title} - dawson",
        "\n".join(part for part in sections if part),
        style=asset("report.css"),
        scripts=[*scripts, asset("report.js")],
    )


def _opening(told: Facts) -> str:
    lines = "".join(f"<p>{escape(text)}.</p>" for text in told.subtitles)
    return f'<header><h1>{escape(told.title)}</h1>\n{lines}\n<p class="soft">{escape(told.notice)}</p></header>'


def _quality(told: Facts) -> str:
    """The verdict, what to beware of in full, and what passed behind a fold."""
    beware = [line for line in told.quality if line.status != "pass"]
    passed = [line for line in told.quality if line.status == "pass"]
    kind = "warn" if told.status == "pass" and beware else told.status
    title = f"{count(len(passed), 'check')} passed" if beware else "What was checked"
    folded = f"<details><summary>{title}</summary>{_checks(passed)}</details>" if passed else ""
    verdict = f'<p class="verdict {kind}">{_sign(kind)} {escape(told.verdict)}</p>'
    return f'<div class="quality {kind}">{verdict}{_checks(beware)}{folded}</div>'


def _checks(lines: list[Line]) -> str:
    items = "".join(
        f'<li class="{line.status}">{_sign(line.status)} <span><strong>{escape(line.name)}</strong> '
        f'<small class="word">{STATUS[line.status].lower()}</small><br>{escape(line.words)}</span></li>'
        for line in lines
    )
    return f'<ul class="checks">{items}</ul>' if items else ""


def _sign(status: str) -> str:
    return f'<span class="sign {status}" aria-hidden="true">{SIGN[status]}</span>'


def _figures(figures: tuple[Figure, ...]) -> str:
    cards = "".join(
        f"<div><dt>{escape(figure.label)}</dt><dd><strong>{escape(figure.value)}</strong>"
        f"<span>{escape(figure.note)}</span></dd></div>"
        for figure in figures
    )
    return f'<dl class="figures">{cards}</dl>'


def _regions(told: Facts) -> str:
    notes = "".join(f"<p>{escape(text)}</p>" for text in told.regions_notes)
    table = "" if told.regions is None else _table(told.regions, "regions")
    return f'<div class="beside">{table}<div class="rules">{notes}</div></div>'


def _pictures(result: Result, drawn: Drawn) -> str:
    wide = picture(drawn.mosaic, title=f"Lesions on {result.modalities[0].upper()}", caption=MOSAIC)
    volumes = {lesion.id: lesion for lesion in result.lesions}
    close = "".join(
        picture(png, title=f"Lesion {number}, {volumes[number].volume_ml:.3f} ml", caption=LARGEST)
        for number, png in drawn.largest
    )
    through = picture(drawn.projection, title="Lesions at a glance", caption=PROJECTION)
    return f'{wide}<div class="close">{close}</div>{through}'


def _viewer(view: Parts) -> str:
    """The controls are built by the page's script: without it, they would do nothing."""
    return (
        '<noscript><p class="notice">The viewer needs JavaScript; all else on this page does not.</p></noscript>'
        '<p class="notice" id="no-viewer" hidden></p>'
        '<div id="viewer" hidden><div class="controls">'
        '<fieldset id="sequences"><legend>Scan</legend></fieldset>'
        '<label>Lesions <input type="range" id="opacity" min="0" max="100" value="60"></label>'
        '<span class="steps"><button type="button" id="previous">Previous lesion</button> '
        '<button type="button" id="next">Next lesion</button></span></div>'
        '<div class="stage"><canvas id="canvas" role="img" aria-label="The scan in three planes with the lesions in '
        'orange"></canvas></div><output id="current" aria-live="polite"></output>'
        f'<p class="soft">{escape(HOW)} <span id="spacing"></span></p></div>\n{view.data_html}'
    )


def _lesions(told: Facts, *, jump: bool) -> str:
    note = f"<p>{escape(told.lesions_note)}</p>" if told.lesions_note else ""
    if not told.lesions.rows:
        return note
    hint = '<p class="soft jump-hint">The viewer above goes to the lesion whose row is clicked.</p>' if jump else ""
    return note + hint + _table(told.lesions, "lesions", tall=True)


def _table(table: Table, name: str, *, tall: bool = False) -> str:
    """A table that the page's script makes sortable (where it is tall) and, by its first cell, clickable."""

    def row(cells: tuple[str, ...], tag: str, scope: str) -> str:
        kinds = [' class="left"' if place < table.left else "" for place in range(len(cells))]
        first = f'<th scope="{scope}"{kinds[0]}>{escape(cells[0])}</th>'
        others = f' scope="{scope}"' if tag == "th" else ""
        rest = zip(kinds[1:], cells[1:], strict=True)
        return f"<tr>{first}{''.join(f'<{tag}{others}{kind}>{escape(cell)}</{tag}>' for kind, cell in rest)}</tr>"

    body = "".join(row(cells, "td", "row") for cells in table.rows)
    kind = "wide tall" if tall else "wide"
    return (
        f'<div class="{kind}" tabindex="0" role="region" aria-label="Table of {name}"><table id="{name}">'
        f"<thead>{row(table.heads, 'th', 'col')}</thead><tbody>{body}</tbody></table></div>"
    )
