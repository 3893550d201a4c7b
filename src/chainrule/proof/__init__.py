"""The proof: every number of a trace again, from its formulas. Nothing of core, no NumPy."""
