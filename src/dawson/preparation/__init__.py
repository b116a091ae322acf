"""From scans as they come to what a network eats, and the exact way back."""
