"""Pictures of the paper's preparation, before and after the blur and the contrast kernel, and each kernel's numbers.

    python -m tools.studies.preparation --scan flair=FLAIR.nii.gz --scan t1=T1.nii.gz -o docs/images/preparation.png

One column a scan: the slice resampled to [0, 1], the same after blur and kernel, and the kernel's weights across
its centre. Prints width, amount, noise and contrast of each.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from dawson.core.study import Modality
from dawson.evaluation.output.chart_style import COLOURS, STYLE, new_figure, to_png
from dawson.nifti.scan import read_scan
from dawson.preparation.single_volume import prepare_volume
from dawson.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", action="append", required=True, metavar="SEQUENCE=FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--slice", type=int, default=52, help="axial slice of the 96")
    options = parser.parse_args()
    settings = load_recipe("paper").volume
    assert settings is not None  # noqa: S101
    plain = replace(settings, blur_mm=0.0, sharpening=0.0)

    import matplotlib as mpl  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        figure, axes = new_figure(rows=3, columns=len(options.scan), height=6.6)
        for column, word in enumerate(options.scan):
            name, file = word.split("=", 1)
            scan = read_scan(Path(file), Modality(name))
            before, after = prepare_volume(scan, plain), prepare_volume(scan, settings)
            kernel = after.kernel
            spacing = " × ".join(f"{s:.2g}" for s in scan.grid.spacing)
            print(
                f"{name.upper()} of {spacing} mm: surround {kernel.widths[0]:.2f}, {kernel.widths[1]:.2f}, "
                f"{kernel.widths[2]:.2f} voxels, amount {kernel.amount:.2f}, noise {kernel.noise:.3f}, "
                f"contrast {kernel.contrast:.3f}"
            )
            for row, prepared in enumerate((before, after)):
                panel = axes[row * len(options.scan) + column]
                plane = prepared.voxels[20:140, 6:154, options.slice]
                panel.imshow(plane.T, origin="lower", cmap="gray", vmin=0, vmax=1)
                panel.set_axis_off()
                panel.set_title(
                    f"{name.upper()}, {spacing} mm" if row == 0 else f"amount {kernel.amount:.2f}", fontsize=8
                )
            panel = axes[2 * len(options.scan) + column]
            weights = kernel.weights
            i, j, k = (side // 2 for side in weights.shape)
            for line, colour, mark, label in (
                (weights[:, j, k], COLOURS[0], "o", "within the slice"),
                (weights[i, j, :], COLOURS[1], "s", "from slice to slice"),
            ):
                places = [n - len(line) // 2 for n in range(len(line))]
                shown = [(n, w) for n, w in zip(places, line, strict=True) if n]  # the centre, 1 + amount, is far above
                panel.plot(*zip(*shown, strict=True), color=colour, marker=mark, markersize=3, label=label)
            panel.set_xlabel("voxels from the centre", fontsize=8)
            panel.tick_params(labelsize=7)
        axes[2 * len(options.scan)].set_ylabel("weight")
        figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        options.output.write_bytes(to_png(figure))


if __name__ == "__main__":
    main()
