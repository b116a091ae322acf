"""What is done to trained weights: averaged, or rounded to integers."""
