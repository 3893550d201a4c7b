"""Run the whole suite with the kernels of other processors: `make test-portable [PYTEST=...]`.

NumPy, OpenBLAS (NumPy's and SciPy's) and Numba choose their kernels by the processor, and round
differently in each. Every round makes them take others, through the variables that they read. A
round that this machine cannot run is left out, with the reason.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

Variables = dict[str, str]
WIDE = ("avx512", "evex512", "avx10", "amx")
OLD = (*WIDE, "avx2", "avxvnni", "avxifma", "avxneconvert", "fma", "f16c", "bmi", "lzcnt", "movbe",
       "gfni", "vaes", "vpclmulqdq")  # fmt: skip
"""How the names of the features begin that no AVX2 processor has, and no Sandy Bridge."""
USED = """
import numpy, scipy.linalg
from numba.core.registry import cpu_target
from threadpoolctl import threadpool_info
blas = {one.get("architecture") for one in threadpool_info() if one["user_api"] == "blas"}
found = numpy.show_config(mode="dicts")["SIMD Extensions"]
found = [*found["baseline"], *found.get("found", [])]
numba = cpu_target.target_context.codegen().magic_tuple()
print("NumPy:", *found, "| BLAS:", *sorted(map(str, blas)), "| Numba:", numba[1])
"""


def rounds(cpu: Mapping[str, bool], dispatched: Sequence[str]) -> dict[str, Variables | str]:
    """The variables of each round, or why it is left out.

    `cpu` are this processor's features by LLVM's names, `dispatched` those for which NumPy has
    kernels that it uses here, by NumPy's names.
    """
    if "sse2" not in cpu:
        return {"AVX-512 off": "this is no x86 processor", "old kernels": _plain(dispatched)}
    wide = [name for name in dispatched if name == "X86_V4" or name.startswith("AVX512")]
    found: dict[str, Variables | str] = {"AVX-512 off": "this processor has no AVX-512"}
    if cpu.get("avx512f"):
        found["AVX-512 off"] = {
            "OPENBLAS_CORETYPE": "Haswell",
            "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
            "NUMBA_CPU_NAME": "znver3",
            "NUMBA_CPU_FEATURES": without(cpu, WIDE),
        }
    avx = cpu.get("avx")
    found["old kernels"] = _plain(dispatched) | {
        "OPENBLAS_CORETYPE": "Sandybridge" if avx else "Prescott",
        "NUMBA_CPU_NAME": "sandybridge" if avx else "x86-64",
        "NUMBA_CPU_FEATURES": without(cpu, OLD),
    }
    return found


def _plain(dispatched: Sequence[str]) -> Variables:
    return {"OPENBLAS_CORETYPE": "ARMV8", "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched)}


def without(cpu: Mapping[str, bool], beginnings: tuple[str, ...]) -> str:
    """The features as Numba takes them, those that begin like this switched off.

    Every feature is named, because those that the processor's name implies need not be here.
    """
    kept = {name: there and not name.startswith(beginnings) for name, there in cpu.items()}
    return ",".join(f"{'+' if there else '-'}{name}" for name, there in sorted(kept.items()))


def run_all(
    found: Mapping[str, Variables | str], run: Callable[[Variables], int]
) -> tuple[list[str], bool]:
    """(a line for each round, whether all that ran have passed)."""
    lines, passed = [], True
    for name, variables in found.items():
        if isinstance(variables, str):
            lines.append(f"{name}: left out: {variables}")
            continue
        print(f"\n{name}: " + _shown(variables), flush=True)
        began = time.monotonic()
        code = run(variables)
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        ended = f"FAILED with exit code {code}" if code else "passed"
        lines.append(f"{name}: {ended} after {minutes}:{seconds:02d}")
        passed = passed and code == 0
    return lines, passed


def _shown(variables: Variables) -> str:
    long = "NUMBA_CPU_FEATURES"
    return " ".join(f"{k}='{'…' if k == long else v}'" for k, v in variables.items())


def suite(variables: Variables) -> int:
    """Say which kernels these variables lead to, then run the tests; the exit code."""
    environment = {**os.environ, **variables}
    shown = subprocess.run([sys.executable, "-W", "error", "-c", USED], env=environment).returncode
    if shown:
        return shown
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", *sys.argv[1:]]
    return subprocess.run(command, env=environment).returncode


def main() -> int:
    """Run every round on this machine; 0 if all that ran have passed."""
    import llvmlite.binding as llvm
    import numpy as np

    dispatched = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    lines, passed = run_all(rounds(llvm.get_host_cpu_features(), dispatched), suite)
    print("", *lines, sep="\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
