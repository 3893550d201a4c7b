"""One training step with every number named, and how a reader names one of them."""
