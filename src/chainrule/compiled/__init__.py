"""The fast engine: Numba kernels that train and predict as `core` does, to the last few bits."""
