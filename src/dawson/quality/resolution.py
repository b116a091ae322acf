"""Check of the size of voxels."""

from __future__ import annotations

from dawson.core.result import Check
from dawson.quality.evidence import Evidence

THICK_MM, COARSE_MM = 5.0, 2.0  # slices; voxels within a slice


def check_resolution(evidence: Evidence) -> Check:
    """Whether slices are thin and voxels small enough to show small lesions."""
    figures: dict[str, float | str | None] = {}
    coarse, sizes = [], []
    for modality in evidence.used:
        fine, middle, thick = sorted(evidence.study.scans[modality].grid.spacing)
        figures |= {f"{modality.value}_in_slice_mm": round(middle, 3), f"{modality.value}_slice_mm": round(thick, 3)}
        sizes.append(f"{modality.upper()} {fine:.2g} × {middle:.2g} × {thick:.2g} mm")
        if thick > THICK_MM:
            coarse.append(f"the slices of {modality.upper()} are {thick:.1f} mm apart")
        if middle > COARSE_MM:
            coarse.append(f"the voxels of {modality.upper()} measure {middle:.1f} mm within a slice")
    if coarse:
        findings = " and ".join(coarse)
        words = f"{findings[:1].upper() + findings[1:]}: small lesions cannot be seen, and volumes are rough."
        return Check("resolution", "warn", words, figures)
    return Check("resolution", "pass", f"Voxels are small enough: {', '.join(sizes)}.", figures)
