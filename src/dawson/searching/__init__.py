"""Many training runs over a grid of settings, on this machine or on Slurm (needs the ``train`` extra)."""
