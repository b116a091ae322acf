"""How bright small lesions are on FLAIR: in marked scans, and as the generator draws them.

    python -m tools.studies.contrast --evaluation EVALUATION --cases labelled.tsv
    python -m tools.studies.contrast --maps MAPS --masks MASKS [--patches 60] [--set synthesis.contrast=[0.3,1.15]]

For every lesion of at most ``--largest`` mm³: the median of its voxels over the median of white matter in the scan (or
in the patch), told apart by how much of a shell of 2 to 4 mm around it is cortex. The first form takes the anatomy that
a model has found (tools/release/left_out.py keeps it), the second that of the label maps.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Mask
from dawson.core.study import Modality
from dawson.measurement.lesions import connected
from dawson.nifti.mask import read_anatomy
from dawson.synthesis.tissues import Anatomy
from tools.studies.drawn import ask_patches, draw_patches, recipe_of
from tools.studies.kept import read_kept

SHELL_MM = (2.0, 4.0)
QUANTILES = (5, 25, 50, 75, 95)
SEED = 20_261_127  # no run's


def main() -> None:
    """Print quantiles, for lesions in white matter and for those beside cortex."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=float, default=150.0, help="mm³")
    options = ask_patches(parser, patches=60)
    images = _scans(options) if options.evaluation is not None else _patches(options)
    found = [row for image in images for row in _lesions(*image, options.minimum, options.largest)]
    table = np.array(found).reshape(-1, 2)
    print(f"lesions of {options.minimum:g} to {options.largest:g} mm³ over white matter, {QUANTILES} per cent")
    for label, chosen in (("mostly white matter around", table[:, 1] < 0.3), ("cortex around", table[:, 1] >= 0.3)):
        own = table[chosen, 0]
        if len(own):
            text = "  ".join(f"{value:.2f}" for value in np.percentile(own, QUANTILES))
            print(f"{label:>27} {len(own):4d}   {text}")


def _scans(options: argparse.Namespace) -> Iterator[tuple[NDArray[np.float32], Mask, NDArray[np.uint8], float]]:
    for kept in read_kept(options):
        anatomy, _, _ = read_anatomy(kept.folder / "anatomy.nii.gz")
        yield kept.image(Modality.FLAIR), kept.truth, anatomy, kept.grid.voxel_volume


def _patches(options: argparse.Namespace) -> Iterator[tuple[NDArray[np.float32], Mask, NDArray[np.uint8], float]]:
    recipe = recipe_of(options)
    for drawn in draw_patches(options, recipe, seed=SEED):
        image = drawn.images[list(Modality).index(Modality.FLAIR)].numpy()
        yield image, drawn.lesion.numpy() == 1, drawn.anatomy.numpy(), recipe.prepare.spacing_mm**3


def _lesions(
    image: NDArray[np.float32], truth: Mask, anatomy: NDArray[np.uint8], volume: float, least: float, most: float
) -> Iterator[tuple[float, float]]:
    """Brightness over white matter, and the share of cortex around, of each lesion."""
    white = (anatomy == Anatomy.WHITE_MATTER) & ~truth
    if white.sum() < 1000:
        return
    level = float(np.median(image[white]))
    side = volume ** (1 / 3)
    reach = int(np.ceil(SHELL_MM[1] / side))
    for piece in connected(truth):
        if not least <= len(piece) * volume <= most:
            continue
        low = np.maximum(piece.min(0) - reach, 0)
        part = tuple(slice(a, b + reach + 1) for a, b in zip(low, piece.max(0), strict=True))
        alone = np.zeros(truth[part].shape, dtype=bool)
        alone[tuple((piece - low).T)] = True
        far = ndimage.distance_transform_edt(~alone) * side
        shell = (far >= SHELL_MM[0]) & (far <= SHELL_MM[1])
        around = anatomy[part][shell]
        yield float(np.median(image[tuple(piece.T)])) / level, float((around == Anatomy.CORTEX).mean())


if __name__ == "__main__":
    main()
