"""From a folder of results to something a person can use: one page, one PDF, one cohort."""
