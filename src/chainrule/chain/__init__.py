"""The chain rule behind a number: its factors and paths, what made it, what changed it."""
