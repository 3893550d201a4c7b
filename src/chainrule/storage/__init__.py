"""Model files: one safetensors file with a JSON header; written atomically, read without running
code.
"""

from .header import ModelFileError
from .modelfile import load, save

__all__ = ["ModelFileError", "load", "save"]
