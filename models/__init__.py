"""What the platform knows, as pure functions and data: no Ray, no I/O, no clock, no randomness."""
