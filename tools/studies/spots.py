"""Bright spots in white matter that are no lesion, on FLAIR: in marked scans, and as the generator draws them.

    python -m tools.studies.spots --cases labelled.tsv --evaluation EVALUATION
    python -m tools.studies.spots --maps LABELMAPS --masks LESIONMASKS [--patches 60]

What a rater did not mark but stands out teaches what a lesion is not; what the generator draws so must be as rare as
it is in patients, or a network learns to overlook lesions. Scans are smoothed by a Gaussian of 2 mm, a wide
one of 6 mm is taken away, both in white matter alone, and peaks are counted 3 mm from anything else (4 mm from what
is marked), by how far they rise over the median of white matter. Raters overlook lesions too, so for real scans the
count is the most there can be. The first form takes the anatomy that a model has found (tools/release/left_out.py keeps
it), the second that of the label maps, of patches without lesions.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Mask
from dawson.core.study import Modality
from dawson.nifti.mask import read_anatomy
from dawson.synthesis.tissues import Anatomy
from tools.studies.drawn import ask_patches, draw_patches, recipe_of
from tools.studies.kept import read_kept

SEED = 20_261_201  # no run's
NARROW_MM, WIDE_MM = 2.0, 6.0  # standard deviations
CLOSED_MM = 2.0
INSIDE_MM, LESION_MM = 3.0, 4.0
APART_MM = 5.0  # between peaks
RISES = (0.04, 0.06, 0.08, 0.10, 0.14, 0.20)
FEWEST_ML = 5.0  # of white matter, below which nothing is told


def main() -> None:
    """Print a line for each scan or patch with enough white matter, and what all have together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = ask_patches(parser, patches=60)
    total, counts = 0.0, np.zeros(len(RISES))
    print("white matter looked at; peaks a 100 ml that rise by", ", ".join(f"{rise:g}" for rise in RISES))
    shown = _scans(options) if options.evaluation is not None else _patches(options)
    for name, image, anatomy, marked, spacing in shown:
        peaks, ml = rises(image, anatomy == Anatomy.WHITE_MATTER, marked, spacing)
        if ml >= FEWEST_ML:
            own = np.array([(peaks >= rise).sum() for rise in RISES])
            total, counts = total + ml, counts + own
            print(f"{name}: {ml:.0f} ml; {_text(own, ml)}")
    if total:
        print(f"all: {total:.0f} ml; {_text(counts, total)}")


def rises(
    image: NDArray[np.float32], white: Mask, marked: Mask, spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """How far each peak (peaks,) rises over the median of white matter, as a share of that, and the ml looked at.

    ``image``, ``white`` and ``marked`` are (i, j, k), of voxels of ``spacing`` (3,) in mm. White matter that a spot
    hides (a model may call it something else) is closed first, by :data:`CLOSED_MM`.
    """
    rim = int(np.ceil(CLOSED_MM / spacing.min())) + 1
    grown = ndimage.distance_transform_edt(~np.pad(white | marked, rim), sampling=spacing) <= CLOSED_MM
    whole = (ndimage.distance_transform_edt(grown, sampling=spacing) > CLOSED_MM)[rim:-rim, rim:-rim, rim:-rim]
    inner = ndimage.distance_transform_edt(whole, sampling=spacing) >= INSIDE_MM
    inner &= ndimage.distance_transform_edt(~marked, sampling=spacing) >= LESION_MM if marked.any() else True
    if not inner.any():
        return np.zeros(0), 0.0
    weight = (whole & ~marked).astype(np.float64)
    scaled = image / np.median(image[inner]) * weight

    def smooth(mm: float) -> NDArray[np.float64]:
        sigma = mm / spacing
        share = ndimage.gaussian_filter(weight, sigma)
        return np.asarray(ndimage.gaussian_filter(scaled, sigma) / np.maximum(share, 1e-3))

    rise = smooth(NARROW_MM) - smooth(WIDE_MM)
    size = np.maximum(2 * np.round(APART_MM / spacing / 2).astype(int) + 1, 3)
    peaks = inner & (rise == ndimage.maximum_filter(rise, size=tuple(size)))
    return rise[peaks], float(inner.sum() * spacing.prod() / 1000)


def _scans(
    options: argparse.Namespace,
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.uint8], Mask, NDArray[np.float64]]]:
    for kept in read_kept(options):
        anatomy, _, _ = read_anatomy(kept.folder / "anatomy.nii.gz")
        yield kept.case.name, kept.image(Modality.FLAIR), anatomy, kept.truth, np.array(kept.grid.spacing)


def _patches(
    options: argparse.Namespace,
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.uint8], Mask, NDArray[np.float64]]]:
    recipe = recipe_of(options)
    recipe = replace(recipe, synthesis=replace(recipe.synthesis, healthy=1.0))
    spacing = np.full(3, recipe.prepare.spacing_mm)
    for number, drawn in enumerate(draw_patches(options, recipe, seed=SEED), 1):
        image = drawn.images[list(Modality).index(Modality.FLAIR)].numpy()
        yield f"patch {number}", image, drawn.anatomy.numpy(), np.zeros(image.shape, bool), spacing


def _text(counts: NDArray[np.float64], ml: float) -> str:
    return "  ".join(f"{100 * count / ml:.1f}" for count in counts)


if __name__ == "__main__":
    main()
