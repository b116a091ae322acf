"""How reports word things: names of regions and statuses, volumes and lengths with the digits that they deserve."""

from __future__ import annotations

REGIONS = {
    "periventricular": "Periventricular",
    "juxtacortical": "Juxtacortical or cortical",
    "infratentorial": "Infratentorial",
    "deep": "Deep white matter",
}
STATUS = {"pass": "Passed", "warn": "Warning", "fail": "Failed"}
SIGN = {"pass": "✓", "warn": "!", "fail": "✕"}  # beside the word: colour alone tells nobody who cannot see it
OUT_OF_REACH = "The spinal cord and the optic nerves lie outside of a brain MRI's reach."
NO_REGIONS = "This model knows no anatomy, so its lesions are not counted by region."
NO_CONCLUSION = "Regions are given by number; what follows from them is for a physician to say."
LONG_AXIS_MM = 3.0  # as in the name of the field count_long_axis_3mm
NONE = "–"


def ml(value: float | None) -> str:
    """A volume in ml with the digits that it deserves: three significant ones, at most three decimals."""
    if value is None:
        return NONE
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} ml"


def mm(length: float) -> str:
    """A length in mm with one decimal; with two where rounding would lift it to the 3 mm that are counted by."""
    return f"{length:.2f}" if length < LONG_AXIS_MM <= round(length, 1) else f"{length:.1f}"


def count(number: int, noun: str) -> str:
    """``1 lesion``, ``2 lesions``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def sentence(text: str) -> str:
    """With a capital (where the first word is no name such as "pH") and a full stop."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.islower() else text
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def title(name: str) -> str:
    """The name of a field or check as a heading."""
    words = name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]
