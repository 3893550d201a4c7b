"""Model files: one safetensors file with a JSON header; written atomically, read without running
code.
"""

from .modelfile import ModelFileError, load, save

__all__ = ["ModelFileError", "load", "save"]
