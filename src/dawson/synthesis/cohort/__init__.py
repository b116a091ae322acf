"""A synthetic cohort on disk: patients with several visits, as a BIDS data set with lesion masks."""
