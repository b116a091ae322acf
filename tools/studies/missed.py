"""How sure a model was of the true lesions that it missed, by the tissue that it says they lie in.

    python -m tools.studies.missed labelled.tsv evaluation [--inputs flair,flair+t1]

EVALUATION is what tools/release/left_out.py or ``dawson evaluate --cases`` wrote. For each subset of sequences and each
class of the model's anatomy (that of most of a true lesion's voxels): how many true lesions there are, how many no
outline touches, and of these how many have a highest probability below 0.05, up to the threshold, up to the least
peak, and above both (as cut by the brain or the least size). What lies between threshold and peak is hidden by the
rule; what lies below is not seen by the network.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from dawson.measurement.lesions import connected
from dawson.nifti.mask import read_anatomy, read_mask
from tools.studies.kept import ask, read_kept

UNSEEN = 0.05


def main() -> None:
    """Print a table for each subset."""
    peaks: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for kept in read_kept(ask(__doc__)):
        outlined = read_mask(kept.folder / "lesions.nii.gz").mask
        anatomy, _, names = read_anatomy(kept.folder / "anatomy.nii.gz")
        cuts = (UNSEEN, kept.threshold, kept.peak)
        for piece in connected(kept.truth):
            if len(piece) >= kept.least:
                at = tuple(piece.T)
                where = names[int(np.bincount(anatomy[at]).argmax())]
                peaks[kept.inputs][where].append(None if outlined[at].any() else float(kept.probability[at].max()))
    for inputs, regions in peaks.items():
        print(
            f"{inputs}: true lesions, missed; of these highest probability below "
            f"{', '.join(f'{cut:g}' for cut in cuts)}, above"
        )
        for where, own in sorted(regions.items(), key=lambda item: -len(item[1])):
            missed = [peak for peak in own if peak is not None]
            parts = np.bincount(np.digitize(missed, cuts), minlength=len(cuts) + 1)
            print(f"  {where:>14}  {len(own):3d} {len(missed):3d}   " + " ".join(f"{n:3d}" for n in parts))


if __name__ == "__main__":
    main()
