"""Check whether locator and model agree on where the brain is."""

from __future__ import annotations

from dataclasses import dataclass

from dawson.core.result import Check

LIKE_BRAINS, UNLIKE_BRAINS = 0.7, 0.5  # Dice of the locator's coarse brain and the model's: below, warn; fail
CUT_CM2 = 10.0  # of brain at a side of the box that the locator drew


@dataclass(frozen=True)
class Outline:
    """The brain as it was looked for and as the model found it: Dice, and how much of the latter is cut off.

    ``cut_cm2`` is the area of brain at a side of the box that the model was shown, where the head goes on.
    """

    dice: float
    cut_cm2: float

    @property
    def doubtful(self) -> bool:
        """Whether the two are too unlike for the model to have seen the whole brain as it is used to."""
        return self.dice < LIKE_BRAINS or self.cut_cm2 > CUT_CM2


def check_outline(outline: Outline) -> Check:
    """Whether two looks at a head took the same for brain: the locator's at the whole, and the model's near by.

    A scan that is scaled and framed by something else than the brain shows the model what it has never seen, or only
    a part of the brain.
    """
    figures: dict[str, float | str | None] = {"dice": round(outline.dice, 3), "cut_cm2": round(outline.cut_cm2, 2)}
    disagree = f"Two looks at the head disagree on where the brain is (Dice {outline.dice:.2f}): "
    never = "neither lesions nor volumes must be used."
    if outline.cut_cm2 > CUT_CM2:
        words = f"The brain goes on where nobody looked ({outline.cut_cm2:.0f} cm² of it at one side): {never}"
        return Check("brain outline", "fail", words, figures)
    if outline.dice < UNLIKE_BRAINS:
        return Check("brain outline", "fail", disagree + never, figures)
    if outline.dice < LIKE_BRAINS:
        return Check("brain outline", "warn", disagree + "look whether the anatomy is right.", figures)
    return Check(
        "brain outline",
        "pass",
        f"Two looks at the head agree on where the brain is (Dice {outline.dice:.2f}).",
        figures,
    )
