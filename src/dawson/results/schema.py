"""``summary.json``, field by field: one definition, through which it is written and read back.

Types are strict: a text is no number, and a number is finite. Fields beyond these are welcome, so that results of
other versions can be read. Volumes are in ml, lengths in mm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

Number = int | Annotated[float, AllowInfNan(False)]
Status = Literal["fail", "pass", "warn"]


class Part(BaseModel):
    """A table of the summary."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Region(Part):
    """The lesions of one region."""

    count: int = Field(description="number of lesions")
    count_long_axis_3mm: int = Field(description="lesions with a long axis of 3 mm or more")
    volume_ml: Number = Field(description="their volume in ml")
    largest_long_axis_mm: Number | None = Field(description="in mm; null without lesions")


class Regions(Part):
    """Where lesions are counted apart, as the McDonald criteria have it."""

    periventricular: Region
    juxtacortical: Region
    infratentorial: Region
    deep: Region


class Volumes(Part):
    """Volumes of what the scan shows; null where the model does not tell that anatomy apart."""

    brain_ml: Number | None = Field(description="brain, in ml")
    ventricles_ml: Number | None = Field(description="ventricles, in ml")
    intracranial_ml: Number | None = Field(description="all that was found inside the skull, in ml")
    load_percent_of_brain: Number | None = Field(description="lesion load in per cent of the brain")
    methods: dict[str, str] = Field(description="how each was measured, by its name")


class Coverage(Part):
    """On how many labelled scans the interval held the true load."""

    inside: int = Field(description="labelled scans whose true load lay inside")
    cases: int = Field(description="labelled scans in all")


class LoadInterval(Part):
    """The lesion load at two further thresholds."""

    low_ml: Number = Field(description="load at the stricter threshold, in ml")
    high_ml: Number = Field(description="load at the more generous threshold, in ml")
    method: str = Field(description="how it was made, in words")
    coverage: Coverage | None = Field(description="null where it was not measured from these sequences")


class ConfidenceClass(Part):
    """Lesions of one class of confidence."""

    rule: str = Field(description="which lesions belong to it, in words")
    count: int = Field(description="how many of this scan do")
    true_share: Number | None = Field(description="share of such lesions that were true on labelled scans, 0 to 1")
    measured_on: Number | None = Field(description="of how many lesions")


class Input(Part):
    """A scan that was given; neither its name nor its folder."""

    sha256: str | None = Field(description="hash of the file")
    shape: list[int] = Field(description="voxels along i, j and k")
    spacing_mm: list[Number] = Field(description="voxel size along i, j and k, in mm")
    orientation: str = Field(description="such as LAS: where i, j and k grow to")
    affine: list[list[Number]] = Field(default=[], description="4 × 4, from voxels to RAS+ mm")


class UsedModel(Part):
    """The model that found the lesions; what else its card says stands beside these fields."""

    name: str = Field(description="its name")
    version: str | Number | None = Field(default=None, description="its version")
    sha256: str | None = Field(default=None, description="hash of its ONNX file")


class Rule(Part):
    """How the map of probabilities becomes lesions."""

    threshold: Number | None = Field(description="a voxel of this probability or more is lesion")
    peak: Number | None = Field(description="a lesion that reaches this probability nowhere is left out")
    minimum_lesion_mm3: Number | None = Field(description="smaller lesions are left out, in mm³")
    connectivity: int = Field(
        description="voxels that touch by a face (6), an edge (18) or a corner (26) belong together"
    )


class QualityCheck(Part):
    """One check of quality control."""

    name: str = Field(description="what was checked")
    status: Status = Field(description="whether the result may be used; fail: it must not")
    words: str = Field(description="one sentence on what was found and what it means")
    figures: dict[str, Number | str | None] = Field(default={}, description="the numbers behind it")


class Quality(Part):
    """Quality control: the worst status of all checks, and each of them."""

    status: Status = Field(description="the worst of all")
    checks: list[QualityCheck]


class Display(Part):
    """What ``display.nii.gz`` holds."""

    sequences: list[str] = Field(description="in the order of its volumes, the reference first")
    window: str = Field(description="which intensities became black and white")


class Summary(Part):
    """The content of ``summary.json``."""

    version: int = Field(default=1, alias="schema", description="raised when a field changes its meaning")
    notice: str = Field(description="that dawson is no medical device")
    lesion_count: int = Field(description="number of lesions")
    count_long_axis_3mm: int = Field(description="lesions with a long axis of 3 mm or more")
    lesion_load_ml: Number = Field(description="volume of all lesions, in ml")
    largest_lesion_ml: Number | None = Field(default=None, description="volume of the largest lesion, in ml")
    regions: Regions | None = Field(description="null where the model knows no anatomy")
    region_rules: str | None = Field(description="when a lesion belongs to a region, in words")
    position_rules: str | None = Field(description="what the words for positions mean")
    volumes: Volumes | None = Field(description="null where the model knows no anatomy")
    load_interval: LoadInterval | None
    confidence: dict[str, ConfidenceClass] | None
    reference: str = Field(description="the sequence on whose grid all results lie")
    sequences: list[str] = Field(description="what the model saw")
    inputs: dict[str, Input] = Field(description="what was given, by sequence")
    alignment: dict[str, str] = Field(description="what was done to bring each further scan to the reference")
    model: UsedModel
    rule: Rule
    seconds: dict[str, Number | None] = Field(default={}, description="wall-clock time by step")
    versions: dict[str, str] = Field(description="of dawson, Python and the libraries that take part")
    quality: Quality
    display: Display
    warnings: list[str] = Field(description="each once; names and folders of files are left out")


SCALARS = ("int", "float", "str")  # by which pydantic names the branches of a union


def validate(content: Any) -> Summary:
    """The summary in ``content`` (plain types, as JSON has them).

    Raises :class:`ValueError` with the first field that is missing or of another kind, in words.
    """
    try:
        return Summary.model_validate(content)
    except ValidationError as error:
        raise ValueError(_in_words(error.errors()[0])) from error


def plain(summary: Summary, *, defaults: bool = False) -> dict[str, Any]:
    """The summary as JSON has it; ``defaults`` also gives fields that were not set."""
    return summary.model_dump(by_alias=True, exclude_unset=not defaults)


def json_schema() -> Mapping[str, Any]:
    """The JSON schema of ``summary.json``, with the description of each field."""
    return Summary.model_json_schema()


def _in_words(error: ErrorDetails) -> str:
    names = [part for part in error["loc"] if not isinstance(part, int)]
    if names and names[-1] in SCALARS:
        names = names[:-1]
    field = ".".join(map(str, names)) or "it"
    kinds = {
        "missing": "is missing",
        "model_type": "is no table",
        "dict_type": "is no table",
        "list_type": "is no list",
        "finite_number": "is no finite number",
    }
    if error["type"] == "literal_error":
        return f"{field} is none of fail, pass, warn"
    return f"{field} {kinds.get(error['type'], 'is of another kind')}"
