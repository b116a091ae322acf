"""Writing an evaluation: tables, summary, charts and page, all of it or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dawson.core.errors import UsageError
from dawson.core.files import check_output, publish, save, staging
from dawson.core.names import LESION_TABLE, RESULT_FILES, SUMMARY
from dawson.evaluation.output.summary import KIND, summarise
from dawson.evaluation.output.table import lesions_csv, metrics_csv
from dawson.evaluation.result import Evaluation
from dawson.results.summary import to_json

METRICS, PAGE, CHARTS = "metrics.csv", "evaluation.html", "charts"

FILES = {
    METRICS: "one row a case and prediction, every figure",
    LESION_TABLE: "one row a lesion: where, how large, found or not",
    CHARTS: "the charts as PNG",
    PAGE: "one page with figures, charts and definitions",
    SUMMARY: "all figures with definitions, settings, hashes, versions",
}
"""What an evaluation writes, and what each file holds."""


def check_evaluation_output(out: Path | str, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> Path:
    """Refuse an output folder that cannot be used, before any work is done. Nothing is created.

    Raises:
        UsageError: as :func:`dawson.core.files.check_output`; an evaluation is there and ``overwrite`` is
            off; or the folder holds the results of ``dawson segment``, whose tables have the same names.
    """
    out = check_output(out, overwrite=True)
    if any(os.path.lexists(out / name) for name in RESULT_FILES if name not in (LESION_TABLE, SUMMARY)) or _is_foreign(
        out
    ):
        raise UsageError(
            "this folder holds other results, whose files would be replaced",
            remedy="choose a folder of its own for the evaluation with -o",
            file=out,
        )
    if any(file.resolve().parent == out.resolve() and file.name in FILES for file in inputs):
        raise UsageError(
            "an input lies in this folder under the name of a result", remedy="choose another with -o", file=out
        )
    found = [name for name in FILES if os.path.lexists(out / name)]
    if found and not overwrite:
        raise UsageError(
            f"an evaluation is there already ({', '.join(found)})",
            remedy="choose another output folder, or replace it with --overwrite",
            file=out,
        )
    return out


def write_evaluation(evaluation: Evaluation, out: Path | str, *, overwrite: bool = False) -> dict[str, Any]:
    """Write ``metrics.csv``, ``lesions.csv``, ``charts/*.png``, ``evaluation.html`` and ``summary.json``.

    Everything is written to a temporary folder and renamed into place, the summary last: where there is a
    summary, the rest is complete and belongs to it. Charts of an earlier evaluation are taken away.

    Returns:
        The content of ``summary.json``.

    Raises:
        UsageError: the folder cannot be used (see :func:`check_evaluation_output`), or writing failed.
    """
    from dawson.evaluation.output.charts import CHART_NAMES, draw_charts  # noqa: PLC0415 (matplotlib, only where something is drawn)
    from dawson.evaluation.output.page import evaluation_page  # noqa: PLC0415
    from dawson.evaluation.output.pictures import WORST, draw_worst  # noqa: PLC0415

    out = check_evaluation_output(out, overwrite=overwrite)
    summary = summarise(evaluation)
    charts, worst = draw_charts(summary), draw_worst(evaluation)
    with staging(out) as folder:
        (folder / CHARTS).mkdir()
        content = {f"{CHARTS}/{chart.name}.png": chart.png for chart in (*charts, *worst)}
        content[METRICS] = metrics_csv(evaluation).encode()
        content[LESION_TABLE] = lesions_csv(evaluation).encode()
        content[PAGE] = evaluation_page(summary, charts, worst).encode()
        content[SUMMARY] = to_json(summary).encode()  # last: it vouches for the others
        for name, data in content.items():
            save(folder / name, data)
        earlier = (out / SUMMARY).is_file() or (out / PAGE).is_file()  # a summary of anything else was refused
        (out / SUMMARY).unlink(missing_ok=True)
        (out / CHARTS).mkdir(exist_ok=True)
        if earlier:  # its charts, but no picture that somebody put beside them
            for chart in (*CHART_NAMES, *(f"worst_{number}" for number in range(1, WORST + 1))):
                (out / CHARTS / f"{chart}.png").unlink(missing_ok=True)
        publish(folder, out, list(content))
    return summary


def _is_foreign(out: Path) -> bool:
    """Whether there is a summary of something else than an evaluation."""
    try:
        content = json.loads((out / SUMMARY).read_text("utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not (isinstance(content, dict) and content.get("kind") == KIND)
