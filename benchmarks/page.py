"""Write the performance page from one run of the benchmarks: `python benchmarks/page.py RUN.json docs/performance.md`.

Each group of benchmarks is a table: what was timed, how long it took, how many times longer than the fastest of the
group.  Where all of a group note a cost for each piece of work (``ns_per_step``, say), that is what is compared.
"""

import json
import sys
from pathlib import Path
from typing import Any

Benchmark = dict[str, Any]

HEAD = """# Performance

Written by `make bench`: every figure below is of one run, each claim beside its peers and, where there is one, the
machine's own limit. Times are the least of several rounds; machines are noisy, so read the ratios.

Machine: {cpu}, {cores} cores; Python {python}. Of {date}.

## Where the time of the network goes

One step of the network (K = 4, M = 2, one example) touches each of the N columns: it draws a normal number, takes it
into six fields in double precision, into 3.5 products with the other examples of its block, and into the steps of four
weights in single precision. By the measurements below that is at least

| | ns a step and column |
|---|---|
| a normal number | {normal:.2f} |
| 6 multiply-adds in double precision | {doubles:.2f} |
| 7.5 multiply-adds in single precision | {singles:.2f} |
| together: the machine's limit, with weights that wait in the first cache | {limit:.2f} |
| the four parts, each alone | {parts:.2f} |
| the whole simulation, N = 2000 | {whole:.2f} |

so that {share:.0%} of its time is work that no rearrangement would save. A NumPy generator alone would take
{numpy:.1f} ns for the number. From N of about 100 000 on the weights no longer fit the second cache.

The reduced chain does not see N: what is left is fields of K + M terms, the activations, and one reflection of each
weight vector for each block of eight examples.
"""


def page(run: dict[str, Any]) -> str:
    """Return the page for a run, as pytest-benchmark wrote it."""
    groups: dict[str, list[Benchmark]] = {}
    for benchmark in run["benchmarks"]:
        groups.setdefault(benchmark["group"] or benchmark["fullname"], []).append(benchmark)
    machine = run["machine_info"]
    head = HEAD.format(
        cpu=machine["cpu"].get("brand_raw", "unknown processor"),
        cores=machine["cpu"].get("count", "?"),
        python=machine["python_version"],
        date=run["datetime"][:10],
        **limits(run["benchmarks"]),
    )
    return "\n".join([head, *(table(name, members) for name, members in groups.items())])


def limits(benchmarks: list[Benchmark]) -> dict[str, float]:
    """Return what the machine can do at best, and how far the network is from it."""
    notes = {benchmark["name"]: list(benchmark["extra_info"].values()) for benchmark in benchmarks}
    normal, double, single = (
        notes[f"test_{name}"][0] for name in ("normals[lanes]", "multiply_adds[float64]", "multiply_adds[float32]")
    )
    limit = normal + 6 * double + 7.5 * single
    whole = notes["test_direct[2000]"][0]
    return {
        "normal": normal,
        "doubles": 6 * double,
        "singles": 7.5 * single,
        "limit": limit,
        "parts": sum(notes[f"test_parts[{part}]"][0] for part in ("draw", "fields", "gram", "steps")),
        "whole": whole,
        "share": limit / whole,
        "numpy": notes["test_normals[generator]"][0],
    }


def table(name: str, members: list[Benchmark]) -> str:
    """Return one group as a table, the fastest first."""
    keys = [{key for key in member["extra_info"] if key.startswith("ns_")} for member in members]
    unit = min(set.intersection(*keys), default=None)

    def cost(member: Benchmark) -> float:
        return float(member["extra_info"][unit]) if unit else float(member["stats"]["min"])

    members = sorted(members, key=cost)
    lines = [f"## {name[0].upper()}{name[1:]}", "", f"| what | time | {words(unit)} | ratio |", "|---|---|---|---|"]
    for member in members:
        notes = ", ".join(f"{value:.4g} {words(key)}" for key, value in member["extra_info"].items() if key != unit)
        each = f"{cost(member):.4g}" if unit else notes
        ratio = cost(member) / cost(members[0])
        lines.append(
            f"| {member['name'].removeprefix('test_')} | {seconds(member['stats']['min'])} | {each} | {ratio:.3g} |"
        )
    return "\n".join([*lines, ""])


def words(key: str | None) -> str:
    """Return the name of a note as words."""
    return " ".join(key.split("_")) if key else "notes"


def seconds(value: float) -> str:
    """Return a time in a readable unit."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1.0:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(page(json.loads(source.read_text())), encoding="utf-8")
