"""What makes, completes and checks a release."""
