"""From a recipe and cases to a model (needs the ``train`` extra)."""
