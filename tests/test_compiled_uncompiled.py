"""The kernels as plain Python, in a process of its own: NumPy checks each index, and every line of
them is run.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from support.processes import completed
from support.uncompiled_runs import Checked

HERE = Path(__file__).parent


def test_every_line_of_the_kernels_runs_uncompiled_and_within_bounds() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "error", "-m", "support.uncompiled_runs"]
    done = completed(command, env=environment, cwd=HERE)
    assert done.returncode == 0, done.stderr
    assert "lines of the kernels were run" in done.stdout
    assert int(done.stdout.split()[0]) > 400


def test_an_index_from_the_end_or_beyond_it_is_caught() -> None:
    numbers, table = np.arange(6.0).view(Checked), np.zeros((2, 3)).view(Checked)
    assert numbers[2:5][1] == numbers[3] == 3.0
    numbers[0], table[1, 2] = 1.0, 1.0
    for bad in (-1, 6, np.int64(-2), np.uintp(7), slice(-1, 2), slice(4, 7), slice(3, 1)):
        with pytest.raises(IndexError):
            numbers[bad]
        with pytest.raises(IndexError):
            numbers[bad] = 0.0
        with pytest.raises(IndexError):
            table[0, bad]
    with pytest.raises(IndexError):
        numbers[1:4][-1]
