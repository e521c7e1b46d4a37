"""Pages that are made from declarations, so that nothing is written twice: one a system, and the reference.

A system's page has its problem and parameters (its docstring), its observables, its experiments with their pictures,
its references, and the way to its derivation.
"""

import pydoc
import re
import tomllib
import types
from collections.abc import Sequence
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import tsmech
from tsmech.problem.system import System, has
from tsmech.systems import REGISTRY, find

ROOT = Path(__file__).parents[1]


def write(source: Path) -> None:
    """Write the pages of systems and reference, notebooks, notes and gallery among the sources, where changed."""
    for pattern in ("theory/*.md", "figures/*.md", "figures/*.png"):
        for path in ROOT.glob(pattern):
            _put(source / path.relative_to(ROOT), path.read_bytes())
    for path in (ROOT / "examples" / "notebooks").glob("*.md"):
        _put(source / "notebooks" / path.name, path.read_bytes())
    for name in REGISTRY:
        _put(source / "systems" / f"{name}.md", system_page(find(name)).encode())
    _put(source / "reference" / "calls.md", calls_page().encode())
    for package in packages():
        _put(source / "reference" / f"{package}.md", reference_page(package).encode())


def packages() -> list[str]:
    """Return the names of the package and of all packages in it; the command line has its own help."""
    folders = sorted(path.parent.relative_to(ROOT) for path in (ROOT / "tsmech").rglob("__init__.py"))
    return [".".join(folder.parts) for folder in folders if folder.name != "cli"]


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


def reference_page(package: str) -> str:
    """Return the reference of one package: what it is for, and every module in it."""
    folder = ROOT / package.replace(".", "/")
    names = [path.stem for path in sorted(folder.glob("*.py")) if path.stem not in ("__init__", "__main__")]
    parts = [f"# {package}"]
    for module in [package, *(f"{package}.{name}" for name in names)]:
        parts += [f"## {module}"] if module != package else []
        parts.append(_rst(f".. automodule:: {module}", "   :members:", "   :ignore-module-all:"))
    return "\n\n".join(parts) + "\n"


def follow(app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.TextElement) -> nodes.Element | None:
    """Lead a name to where the reference has it: what a package hands out to its module, a method to its class."""
    if node.get("refdomain") != "py":
        return None
    module, owner, target = node.get("py:module"), node.get("py:class"), node["reftarget"]
    for place in ([module, owner], [module], []):
        thing = pydoc.locate(".".join([*filter(None, place), target]))
        if thing is None:
            continue
        name = getattr(thing, "__qualname__", None)
        full = f"{thing.__module__}.{name}" if name else str(getattr(thing, "__name__", ""))
        if full == target:
            return None
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], full, node, content)
    return None


def name_sections(app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Make the headings in a module's docstring such as no link can name, as a page has many of them."""
    if what == "module":
        lines[:] = re.sub(r"(?m)^(References|Notes)\n-+$", r".. rubric:: \1\n", "\n".join(lines)).split("\n")


def skips(app: object, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:
    """Leave out names of types, which have no signature, fields of tuples, which have no words, and of methods."""
    wordless = isinstance(thing, types.GenericAlias) or str(thing.__doc__).startswith("Alias for field number")
    return True if wordless or (what == "module" and isinstance(thing, types.MethodType)) else None


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
