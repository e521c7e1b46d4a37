"""The order of the rooms: who imports whom, read from the sources, also where an import waits inside a function."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import tsmech

TOP = Path(tsmech.__file__).parent
ORDER = (
    ("words",),
    ("errors",),
    ("checks",),
    ("machine",),
    ("kernels",),
    ("theory", "sims"),
    ("problem",),
    ("systems",),
    ("experiment",),
    ("engine",),
    ("store",),
    ("compare", "plots"),
    ("runs",),
    ("explore",),
    ("cli",),
)
"""Rooms from the bottom: each imports those below it, and no other beside it."""
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
DOORS = ("tsmech", "tsmech.__main__")
"""The package's own modules, which hand out what is public from all rooms."""


def modules() -> dict[str, Path]:
    """Return all modules of the package by name."""
    found = {}
    for path in TOP.rglob("*.py"):
        parts = ("tsmech", *path.relative_to(TOP).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def statements(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports of a file, wherever they stand among its statements."""
    found: list[ast.Import | ast.ImportFrom] = []
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append(node)
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, [])
            pending.extend(inner if isinstance(inner, list) else [])  # of a lambda it is an expression
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the package's modules that a file imports, wherever it does."""
    for node in statements(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
            continue
        assert node.level == 0, f"{path} imports by a relative name"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            if inner in known or node.module in known:
                yield inner if inner in known else str(node.module)


def room(module: str) -> str:
    return module.split(".")[1]


def against_the_order() -> Iterator[tuple[str, str]]:
    """Yield the pairs of modules of which the first imports the second from a room that is not below its own."""
    known = modules()
    for name, path in known.items():
        for other in imports(path, known) if name not in DOORS else ():
            if other == "tsmech":  # for its version
                continue
            if room(name) != room(other) and LEVELS[room(other)] >= LEVELS[room(name)]:
                yield name, other


def test_every_module_is_in_a_room() -> None:
    assert {room(name) for name in modules() if name not in DOORS} == set(LEVELS)


def test_rooms_import_what_is_below_them_alone() -> None:
    assert list(against_the_order()) == []


def test_modules_are_imported_in_no_circle() -> None:
    """... not even where an import waits inside a function; a package's own module only hands out its parts."""
    known = modules()
    below = {name: set(imports(path, known)) for name, path in known.items() if name not in DOORS}
    order: dict[str, None] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name in order or name not in below:
            return
        for other in sorted(below[name]):
            visit(other, (*trail, name))
        order[name] = None

    for name in below:
        visit(name, ())
    assert len(order) == len(below)


def test_an_import_against_the_order_would_be_noticed(tmp_path: Path) -> None:
    """The negative control: each way to write an import is read."""
    known = modules()
    ways = {
        "import tsmech.cli.run": "tsmech.cli.run",
        "from tsmech.cli import run": "tsmech.cli.run",
        "from tsmech.cli.run import perform": "tsmech.cli.run",
        "def f():\n    from tsmech import cli": "tsmech.cli",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tsmech.store import Store": "tsmech.store",
    }
    for number, (text, expected) in enumerate(ways.items()):
        file = tmp_path / f"module{number}.py"
        file.write_text(text)
        assert list(imports(file, known)) == [expected]
