"""Models: a trained network and what its numbers mean; its answers; its file."""
