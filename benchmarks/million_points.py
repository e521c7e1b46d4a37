"""A theory sweep of a million points: python benchmarks/million_points.py DIRECTORY [POINTS].

Prints what each part of it takes and the peak memory so far (target: 180 s and 1 GiB; measured: 157 s of one core in
all, with opening the run again, and 0.55 GiB; 759 s and 1.9 GiB before points were built once).
"""

import math
import resource
import sys
import time
from pathlib import Path

from tsmech.experiment import build
from tsmech.runs import carry_out, publish
from tsmech.runs.report import remarks, summarise


def main(directory: Path, points: int) -> None:
    side = math.isqrt(points)
    start = time.monotonic()

    def say(what: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what}: {time.monotonic() - start:.0f} s, peak {peak:.2f} GiB", flush=True)

    sweep = {"alpha": f"0.01:4:{side}", "penalty": f"log:0.001:10:{side}", "noise": 0.5}
    experiment = build("ridge", sweep, answers="theory")
    say(f"{experiment.size} points checked")
    with carry_out(experiment, directory) as store:
        say("performed and stored")
        summarise(store, "generalization_error")
        remarks(store)
        say("summarised")
        publish(store)
        say("table and figure written")
    with carry_out(experiment, directory) as store:
        say(f"found again, {store.counts()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
