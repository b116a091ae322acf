"""What the files of a result are called and what each holds: spelt here and nowhere else."""

from __future__ import annotations

LESION_MASK = "lesions.nii.gz"
PROBABILITY_MAP = "probability.nii.gz"
ANATOMY_MAP = "anatomy.nii.gz"
ANATOMY_TABLE = "anatomy.tsv"
LESION_TABLE = "lesions.csv"
DISPLAY_SCANS = "display.nii.gz"
OVERVIEW = "overview.png"
SUMMARY = "summary.json"
REPORT_PAGE = "report.html"
REPORT_PDF = "report.pdf"

COHORT_TABLE = "cohort.csv"
COHORT_PAGE = "cohort.html"

RESULT_FILES = {
    LESION_MASK: "the lesion mask, 0 and 1, on the grid of the reference scan",
    PROBABILITY_MAP: "how probable a lesion is in each voxel, 0 to 1",
    ANATOMY_MAP: "coarse anatomy labels, on the same grid",
    ANATOMY_TABLE: "what each anatomy label means",
    LESION_TABLE: "one row a lesion: region, position, volume, long axis, confidence",
    DISPLAY_SCANS: "the scans aligned, in 256 greys: for pictures, not for measuring",
    OVERVIEW: "a picture: slices with the lesions outlined",
    SUMMARY: "counts, volumes, regions, quality, inputs, model, versions, warnings",
    REPORT_PAGE: "the report, in a browser",
    REPORT_PDF: "the report, for print and archive",
}
"""Every file of one result and what it holds. Of the measured ones the summary comes last: it vouches for the
others. The reports are made from them afterwards, and may be missing."""

REPORT_FILES = (REPORT_PAGE, REPORT_PDF)
