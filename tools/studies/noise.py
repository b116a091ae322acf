"""What noise looks like, voxel beside voxel: in real scans, and as the generator draws it.

    python -m tools.studies.noise --cases labelled.tsv --evaluation EVALUATION
    python -m tools.studies.noise --maps LABELMAPS --masks LESIONMASKS [--patches 20] [--set synthesis.noise=[0.1,0.2]]

In white matter, two voxels from anything else, what is left of a scan after a wide Gaussian is taken away: its standard
deviation over the median of white matter, and how far voxels one, two and three apart correlate along each axis.
White noise has correlations of 0; what was interpolated has not. The first form takes the anatomy that a model has
found (tools/release/left_out.py keeps it), the second that of the label maps, in slices of 1 mm.
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

SEED = 20_261_129  # no run's
WIDE = 3.0  # voxels: standard deviation of the Gaussian
FEWEST = 3000  # voxels of white matter, below which nothing is told
LAGS = (1, 2, 3)


def main() -> None:
    """Print a line for each scan or patch, and medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options = ask_patches(parser, patches=20)
    found = []
    print("standard deviation; correlation one, two, three voxels apart along each axis")
    for name, image, white in _scans(options) if options.evaluation is not None else _patches(options):
        row = grain(image, white)
        if row is None:
            print(f"{name}: too little white matter")
        else:
            found.append(row)
            print(f"{name}: {_text(row)}")
    if found:
        print(f"median of {len(found)}: {_text(np.median(found, axis=0))}")


def grain(image: NDArray[np.float32], white: Mask) -> NDArray[np.float64] | None:
    """Standard deviation and correlations (1 + 3 · lags,) of noise in white matter (i, j, k)."""
    inner = ndimage.binary_erosion(white, iterations=2)
    if inner.sum() < FEWEST:
        return None
    scaled, weight = image / np.median(image[inner]), inner.astype(float)
    around = ndimage.gaussian_filter(scaled * weight, WIDE) / np.maximum(ndimage.gaussian_filter(weight, WIDE), 1e-3)
    left = np.where(inner, scaled - around, 0.0)
    variance = float((left[inner] ** 2).mean())
    row = [variance**0.5]
    for axis in range(3):
        for lag in LAGS:
            near = [slice(None)] * 3
            far = [slice(None)] * 3
            near[axis], far[axis] = slice(None, -lag), slice(lag, None)
            both = inner[tuple(near)] & inner[tuple(far)]
            row.append(float((left[tuple(near)] * left[tuple(far)])[both].mean()) / variance)
    return np.array(row)


def _text(row: NDArray[np.float64]) -> str:
    axes = row[1:].reshape(3, len(LAGS))
    return f"{row[0]:.3f}; " + ", ".join(
        f"{letter} {'/'.join(f'{v:.2f}' for v in axes[n])}" for n, letter in enumerate("ijk")
    )


def _scans(options: argparse.Namespace) -> Iterator[tuple[str, NDArray[np.float32], Mask]]:
    for kept in read_kept(options):
        anatomy, _, _ = read_anatomy(kept.folder / "anatomy.nii.gz")
        white = (anatomy == Anatomy.WHITE_MATTER) & ~ndimage.binary_dilation(kept.truth, iterations=2)
        for modality in kept.case.scans:
            yield f"{kept.case.name} {modality.value}", kept.image(modality), white


def _patches(options: argparse.Namespace) -> Iterator[tuple[str, NDArray[np.float32], Mask]]:
    recipe = recipe_of(options)
    recipe = replace(recipe, synthesis=replace(recipe.synthesis, thick=0.0, lesion_centred=1.0))
    for number, drawn in enumerate(draw_patches(options, recipe, seed=SEED)):
        white = drawn.anatomy.numpy() == Anatomy.WHITE_MATTER
        white &= ~ndimage.binary_dilation(drawn.lesion.numpy() == 1, iterations=2)
        yield f"patch {number}", drawn.images[list(Modality).index(Modality.FLAIR)].numpy(), white


if __name__ == "__main__":
    main()
