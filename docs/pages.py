"""Pages that are made from declarations, so that nothing is written twice: one a system, and the reference.

A system's page has its problem and parameters (its docstring), its observables, its experiments with their pictures,
its references, and the way to its derivation.
"""

import re
import tomllib
import types
from collections.abc import Sequence
from pathlib import Path

from docutils import nodes

import tsmech
from tsmech.problem.system import System, has
from tsmech.systems import REGISTRY, find

ROOT = Path(__file__).parents[1]
LAYERS = {
    "tsmech": "The house: the way from a person's words through the engine to the store and the pictures.",
    "tsmech.engine": "Where and how units of work are performed.",
    "tsmech.store": "The run directory: what is finished is on disk and stays there.",
    "tsmech.plots": "What a picture shows, and how it is drawn.",
    "tsmech.systems": "What the problems are.",
    "tsmech.theory": "How predictions are computed: arrays in, arrays out.",
    "tsmech.sims": "How simulations are computed: kernels and the thin drivers around them.",
}


def write(source: Path) -> None:
    """Write the pages of systems and reference, the notes and the gallery beside the site's sources, where changed."""
    for pattern in ("theory/*.md", "figures/*.md", "figures/*.png"):
        for path in ROOT.glob(pattern):
            _put(source / path.relative_to(ROOT), path.read_bytes())
    for name in REGISTRY:
        _put(source / "systems" / f"{name}.md", system_page(find(name)).encode())
    _put(source / "reference" / "calls.md", calls_page().encode())
    for package, words in LAYERS.items():
        _put(source / "reference" / f"{package}.md", reference_page(package, words).encode())


def system_page(system: type[System]) -> str:
    """Return the page of one system."""
    answers = ", ".join(f"`{answer}`" for answer in system.answers if has(system, answer))
    about = f".. autoclass:: {system.__module__}.{system.__name__}"
    parts = [f"# {system.title}", f"System `{system.name}`; answers: {answers}."]
    parts.append(f"[Its derivation](../theory/{system.name}.md) is a note of its own.")
    parts += ["## The problem", _rst(about, "   :no-index:")]
    seen = [[f"`{name}`", item.symbol, item.label] for name, item in system.observables.items()]
    parts += ["## Observables", _table(["column", "symbol", ""], seen)]
    if system.coordinates:
        parts.append(f"Each answer is a curve along {' and '.join(f'`{name}`' for name in system.coordinates)}.")
    parts.append("## Experiments")
    for path in sorted((ROOT / "sims").glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
        if table["system"] == system.name:
            parts += [f"### {table['title']}", f"`tsmech run {path.stem}`, after {table['source']}."]
            if (ROOT / "figures" / f"{path.stem}.png").is_file():
                parts.append(f"![{path.stem}](../figures/{path.stem}.png)")
            parts.append(f"```toml\n{text.strip()}\n```")
    if system.references:
        cited = [f"- [{one}]({one.url})" if one.url else f"- {one}" for one in system.references]
        parts += ["## References", "\n".join(cited)]
    parts += ["## In Python", _rst(about, "   :members:", "   :inherited-members:", "   :no-index:")]
    return "\n\n".join(parts) + "\n"


def calls_page() -> str:
    """Return the page of what ``import tsmech`` offers; the systems have pages of their own."""
    parts = ["# What a person calls", "`import tsmech` offers these names, and the classes of the systems."]
    for name, module in tsmech.PLACES.items():
        kind = "class" if isinstance(getattr(tsmech, name), type) else "function"
        parts.append(_rst(f".. auto{kind}:: {module}.{name}", "   :no-index:", *["   :members:"] * (kind == "class")))
    return "\n\n".join(parts) + "\n"


def reference_page(package: str, words: str) -> str:
    """Return the reference of one layer: every module with a public name."""
    folder = ROOT / package.replace(".", "/")
    names = [path.stem for path in sorted(folder.glob("*.py")) if path.stem not in ("__init__", "cli")]
    parts = [f"# {package}", words]
    for module in [package, *(f"{package}.{name}" for name in names)]:
        parts += [f"## {module}", _rst(f".. automodule:: {module}", "   :members:", "   :ignore-module-all:")]
    return "\n\n".join(parts) + "\n"


def name_sections(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Make the headings in a module's docstring such as no link can name, as a page has many of them."""
    if what == "module":
        lines[:] = re.sub(r"(?m)^(References|Notes)\n-+$", r".. rubric:: \1\n", "\n".join(lines)).split("\n")


def skips(app: object, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:
    """Leave out names of types, which have no signature, and the fields of tuples, which have no words."""
    wordless = isinstance(thing, types.GenericAlias) or str(thing.__doc__).startswith("Alias for field number")
    return True if wordless else None


def mark_tags(doctree: nodes.document) -> None:
    """Hand displayed formulas with a number of their own to MathJax as they are: it numbers no part of a split."""
    for node in doctree.findall(nodes.math_block):
        if r"\tag{" in node.astext():
            node.children = [nodes.Text(rf"\[{node.astext()}\]")]
            node["nowrap"] = node["no-wrap"] = True


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))


def _rst(*lines: str) -> str:
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)
