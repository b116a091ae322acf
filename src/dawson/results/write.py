"""A segmentation becomes a folder of files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dawson.core.files import check_output, publish, save, staging
from dawson.core.names import (
    ANATOMY_MAP,
    ANATOMY_TABLE,
    DISPLAY_SCANS,
    LESION_MASK,
    LESION_TABLE,
    OVERVIEW,
    PROBABILITY_MAP,
    SUMMARY,
)
from dawson.core.result import Segmentation
from dawson.nifti.write import DISPLAY_COMPRESSION, nifti_gz, round_probability
from dawson.results.display import displayed
from dawson.results.drawing import to_png
from dawson.results.overview import overview
from dawson.results.summary import summarise, to_json
from dawson.results.tables import anatomy_tsv, lesions_csv

logger = logging.getLogger(__name__)


def write(segmentation: Segmentation, out: Path | str, *, overwrite: bool = False) -> dict[str, Any]:
    """Write all results of one study into a folder, which is made where it is missing.

    ``lesions.nii.gz`` (uint8, 0 and 1), ``probability.nii.gz`` (float32, 0 to 1) and ``anatomy.nii.gz``
    (uint8) lie on the grid of the reference scan, with its qform and sform; ``anatomy.tsv`` names the
    anatomy labels, ``lesions.csv`` has one row a lesion, ``overview.png`` shows them, and
    ``display.nii.gz`` (uint8, i, j, k, sequence) holds the scans for pictures on the same grid, and
    ``summary.json`` tells what was found, in what and by what. The model's rule applied to the
    probability gives these very lesions. Reports of an earlier result are removed.

    All files are written to a temporary folder first and then renamed into place, the summary last: where
    there is a summary, the other files are complete and belong to it. Rerunning gives the same bytes, but
    for the seconds in the summary.

    Args:
        segmentation: what was found.
        out: the folder.
        overwrite: replace results that are there already.

    Returns:
        The content of ``summary.json``.

    Raises:
        UsageError: the folder cannot be used or holds results already (see
            :func:`~dawson.core.files.check_output`), or writing failed, as on a full disk.

    >>> import dawson
    >>> from dawson.cases.demo import demo_study_files
    >>> study = dawson.read_study(flair=demo_study_files()[dawson.Modality.FLAIR])
    >>> summary = dawson.write(dawson.segment(study), "results", overwrite=True)
    >>> from pathlib import Path
    >>> Path("results/lesions.csv").is_file(), summary["model"]["name"]
    (True, 'dawson-1')
    """
    inputs = [scan.file for scan in segmentation.study if scan.file is not None]
    out = check_output(out, overwrite=overwrite, inputs=inputs)
    summary = summarise(segmentation)
    with staging(out) as folder:
        names = []
        for name, content in _files(segmentation, summary):
            save(folder / name, content)
            names.append(name)
        publish(folder, out, names)
    logger.info("%d files are written", len(names))
    return summary


def _files(segmentation: Segmentation, summary: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, one at a time so that only one is in memory."""
    reference = segmentation.study.reference
    yield LESION_MASK, nifti_gz(segmentation.lesions.astype(np.uint8), reference, largest=1)
    limits = [segmentation.model.get(name) for name in ("threshold", "peak")]
    probability = round_probability(segmentation.probability, limits=limits)
    yield PROBABILITY_MAP, nifti_gz(probability, reference, largest=1)
    names = segmentation.anatomy_names
    yield ANATOMY_MAP, nifti_gz(segmentation.anatomy, reference, largest=max(names, default=None))
    yield ANATOMY_TABLE, anatomy_tsv(names).encode()
    yield LESION_TABLE, lesions_csv(segmentation.table).encode()
    display = np.stack(list(displayed(segmentation).values()), axis=-1)
    yield DISPLAY_SCANS, nifti_gz(display, reference, largest=255, compression=DISPLAY_COMPRESSION)
    yield OVERVIEW, to_png(overview(segmentation))
    yield SUMMARY, to_json(summary).encode()  # last: it vouches for the others
