"""What `diagnose` is worth: precision and recall of its causes over runs broken on purpose.

`python benchmarks/diagnose.py` runs tests/support/broken_runs.py, on which the experiments were
tuned, and tests/support/broken_held_out.py, which was written before and left alone since; healthy
runs are among both, and a finding in one of them counts as wrong. A finding that is true of a run
besides its known cause counts neither way; strict precision counts it as wrong. `--seeds 3`
repeats it with other seeds.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.broken_held_out import run as held_out
from support.broken_runs import run as tuned
from support.broken_score import Judged, figures, judge


def main() -> None:
    """Judge every run and print a line for each that went wrong, then the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0")
    parser.add_argument("--names", action="store_true", help="name the runs that went wrong")
    asked = parser.parse_args()
    print("half      seed  runs  healthy  precision  recall  strict precision")
    for name, runs in (("tuned", tuned), ("held out", held_out)):
        for seed in range(asked.seeds):
            started, judged = perf_counter(), [judge(run, seed) for run in runs]
            precision, recall = figures(judged)
            healthy = sum(not run.expected for run in runs)
            seconds = f"{perf_counter() - started:.0f} s"
            strict = figures(judged, strict=True)[0]
            print(f"{name:8} {seed:5} {len(runs):5} {healthy:8} {precision:10.3f} {recall:7.3f} "
                  f"{strict:17.3f} {seconds:>6}")  # fmt: skip
            if asked.names:
                show(judged)


def show(judged: list[Judged]) -> None:
    """A line for each run with a cause that was missed or wrongly found."""
    for one in judged:
        if one.wrong or one.missed:
            print(f"  {one.run.name}: wrong {sorted(one.wrong)}, missed {sorted(one.missed)}")


if __name__ == "__main__":
    main()
