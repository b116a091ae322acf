"""The report as one page: a single file that works offline, from any folder, and asks the network for nothing.

The words and figures come from :mod:`dawson.reporting.facts`, the markup from ``templates/visit.html``, which escapes
all text. Without JavaScript or WebGL everything but the viewer is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from dawson.reporting.facts import facts
from dawson.reporting.figures import Drawn, draw
from dawson.reporting.render import render
from dawson.reporting.viewer import viewer_data
from dawson.reporting.wording import STATUS, count
from dawson.results.read import Result

MOSAIC = "Slices from below to above through all lesions, as scanned. z is the height in millimetres."
CLOSE_UP = "Axial, coronal and sagittal plane through the lesion, sequence by sequence."
PROJECTION = (
    "All lesions seen through the brain from above, from the front and from the side. "
    "The lighter, the more lesion lies along the line of sight."
)


@dataclass(frozen=True)
class Picture:
    """A picture as PNG, its title and its caption."""

    png: bytes
    title: str
    caption: str


def page(result: Result, *, viewer: bool = True, drawn: Drawn | None = None) -> str:
    """The page as HTML, UTF-8 when encoded; with the viewer some 4 to 14 MB, without it 1 to 3.

    ``drawn`` are the pictures, where the caller has them already.
    Raises :class:`dawson.core.errors.InputError` where a file of the result is missing, damaged or of another run.
    """
    content = facts(result)
    pictures = drawn or draw(result)
    volumes = {lesion.id: lesion.volume_ml for lesion in result.lesions}
    warned = [line for line in content.quality if line.status != "pass"]
    passed = [line for line in content.quality if line.status == "pass"]
    return render(
        "visit.html",
        title=content.title,
        scripts=("niivue.umd.js", "visit.js") if viewer else ("visit.js",),
        facts=content,
        status_words=STATUS,
        verdict_status="warn" if content.status == "pass" and warned else content.status,
        warned=warned,
        passed=passed,
        passed_title=f"{count(len(passed), 'check')} passed" if warned else "What was checked",
        lesions_title=count(len(content.lesions.rows), "lesion"),
        mosaic=Picture(pictures.mosaic, f"Lesions on {result.modalities[0].upper()}", MOSAIC),
        close_ups=[
            Picture(png, f"Lesion {number}, {volumes[number]:.3f} ml", CLOSE_UP) for number, png in pictures.largest
        ],
        projection=Picture(pictures.projection, "Lesions at a glance", PROJECTION),
        viewer=viewer_data(result) if viewer else None,
    )
