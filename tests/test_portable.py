"""`make test-portable`: the kernels that a machine can be made to use, and what each round says."""

import os
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest
from support.portable import OLD, USED, WIDE, Variables, rounds, run_all, without
from support.processes import completed

FEATURES = "sse2 avx avx2 fma bmi2 avx512f avx512vl amx-tile aes"
NEW = dict.fromkeys(FEATURES.split(), True) | {"sse4a": False}
DISPATCHED = ["X86_V3", "X86_V4", "AVX512_ICL", "AVX512_SPR"]


def test_avx512_is_switched_off_in_all_libraries() -> None:
    found = rounds(NEW, DISPATCHED)["AVX-512 off"]
    assert isinstance(found, dict)
    assert found["NPY_DISABLE_CPU_FEATURES"] == "X86_V4 AVX512_ICL AVX512_SPR"
    features = "+aes,-amx-tile,+avx,+avx2,-avx512f,-avx512vl,+bmi2,+fma,+sse2,-sse4a"
    assert found["NUMBA_CPU_FEATURES"] == features


def test_old_kernels_are_for_every_processor() -> None:
    found = rounds(NEW, DISPATCHED)["old kernels"]
    assert isinstance(found, dict)
    assert found["NPY_DISABLE_CPU_FEATURES"] == " ".join(DISPATCHED)
    features = "+aes,-amx-tile,+avx,-avx2,-avx512f,-avx512vl,-bmi2,-fma,+sse2,-sse4a"
    assert found["NUMBA_CPU_FEATURES"] == features
    for cpu, kernels in (({"sse2": True}, "Prescott"), ({"neon": True}, "ARMV8")):
        old = rounds(cpu, [])["old kernels"]
        assert isinstance(old, dict)
        assert old["OPENBLAS_CORETYPE"] == kernels


@pytest.mark.parametrize(
    ("cpu", "why"), [({"sse2": True, "avx2": True}, "no AVX-512"), ({"neon": True}, "no x86")]
)
def test_a_round_that_this_machine_cannot_run_is_left_out(cpu: dict[str, bool], why: str) -> None:
    left = rounds(cpu, [])
    assert why in left["AVX-512 off"]
    lines, passed = run_all(left, lambda variables: 0)
    assert passed
    assert lines[0].startswith("AVX-512 off: left out: this ")
    assert lines[1].startswith("old kernels: passed after 0:00")


def test_a_round_that_fails_is_named_and_the_others_run() -> None:
    ran: list[Variables] = []

    def run(variables: Variables) -> int:
        ran.append(variables)
        return 2 if len(ran) == 1 else 0

    lines, passed = run_all({"first": {"A": "1"}, "second": {}}, run)
    assert not passed
    assert lines[0].startswith("first: FAILED with exit code 2 after ")
    assert lines[1].startswith("second: passed")
    assert ran == [{"A": "1"}, {}]


def test_every_library_takes_the_kernels_without_a_warning() -> None:
    """Here, with the names that these versions of the libraries know."""
    dispatched = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    cpu = llvm.get_host_cpu_features()
    for variables in rounds(cpu, dispatched).values():
        if isinstance(variables, str):
            continue
        command = [sys.executable, "-W", "error", "-c", USED]
        done = completed(command, env={**os.environ, **variables})
        assert done.returncode == 0, done.stderr
        told = done.stdout
        assert not [name for name in variables["NPY_DISABLE_CPU_FEATURES"].split() if name in told]
        assert f"Numba: {variables.get('NUMBA_CPU_NAME', '')}" in told


@pytest.mark.parametrize("beginnings", [WIDE, OLD])
def test_what_this_processor_lacks_stays_off(beginnings: tuple[str, ...]) -> None:
    cpu = llvm.get_host_cpu_features()
    on = {name[1:] for name in without(cpu, beginnings).split(",") if name.startswith("+")}
    assert on <= {name for name, there in cpu.items() if there}
    assert not [name for name in on if name.startswith(beginnings)]
