"""Check whether all that was given was used, and shows the whole brain."""

from __future__ import annotations

from dawson.core.result import Check
from dawson.core.study import Modality
from dawson.quality.evidence import Evidence


def check_inputs(evidence: Evidence) -> Check:
    """Which sequences had a part in the result, and of which only a part could be used."""
    study, used = evidence.study, evidence.used
    given = [s for s in Modality if s in study.scans or s in study.left_out]
    left = [s.upper() for s in study.modalities if s not in used]
    figures: dict[str, float | str | None] = {"given": "+".join(given), "used": "+".join(used)}
    figures |= {f"{modality.value}_share": round(share, 3) for modality, share in evidence.partial.items()}
    words = [f"{s.upper()} was left out, for this scan cannot be used: {why}." for s, why in study.left_out.items()]
    if study.left_out and study.reference.modality is not given[0]:
        words.append(f"The results lie on the grid of the {study.reference.modality.upper()}.")
    if left:
        words.append(f"{' and '.join(left)} had no part in the result: the warnings of this result say why.")
    if evidence.partial:
        shares = " and ".join(
            f"{s.upper()} shows only {share:.0%} of the brain" for s, share in evidence.partial.items()
        )
        words.append(f"{shares}: elsewhere lesions were sought without it.")
    if words:
        return Check("inputs", "warn", " ".join(words), figures)
    names = " and ".join(s.upper() for s in used)
    return Check("inputs", "pass", f"All that was given was used: {names}.", figures)
