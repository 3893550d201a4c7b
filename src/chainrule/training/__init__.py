"""The loop, the search for a learning rate, L-BFGS; which engine runs, on which threads."""
