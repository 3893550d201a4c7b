"""The types that every file of the mathematics uses."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Shapes = dict[str, tuple[int, ...]]
