"""How good a lesion mask is, by the field's own definitions, and how sure one can be of it."""
