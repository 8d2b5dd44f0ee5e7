"""A notebook as it is written: cells, tags, headings, and the rules of the house.

Read as JSON, not through nbformat, because listing and checking must stay quick.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soa_evidence.errors import CatalogueError, nearest

__all__ = ["HEADINGS", "RULES", "Cell", "Notebook", "problems"]

#: Second-level headings every analysis has, in this order.
HEADINGS = (
    "Question",
    "Evidence used",
    "Method",
    "Checks",
    "Results",
    "How sure are we",
    "What this does not show",
    "Sources and run record",
)
LOADERS = ("evidence.load", "evidence.registry.load", "evidence.case_mix.load")
#: Loaders that also take the path of a file of one's own.
OWN_LOADERS = LOADERS[1:]
TAGS = ("parameters", "headline")
#: Digits that are no finding: code, addresses of links, years, the scale of a rate, names such as EQ-5D.
NO_FINDING = re.compile(
    r"`[^`]*`|\]\([^)]*\)|\b(19|20)\d\d(/\d\d)?\b|\bper 1,000\b|\b[A-Za-z]+-\d+[A-Za-z]+\b"
)
FORBIDDEN = {
    ast.FunctionDef: "def",
    ast.AsyncFunctionDef: "async def",
    ast.Lambda: "lambda",
    ast.ClassDef: "class",
    ast.Try: "try",
    ast.TryStar: "try",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell; `number` counts code cells from 1, as JupyterLab shows them after running all."""

    number: int
    kind: str
    source: str
    tags: tuple[str, ...]
    has_outputs: bool

    @property
    def first_line(self) -> str:
        """First line that says something, to recognise the cell by."""
        return next((line.strip() for line in self.source.splitlines() if line.strip()), "")

    @property
    def place(self) -> str:
        """Where the cell is, for a message."""
        tag = f" tagged '{self.tags[0]}'" if self.tags else ""
        return f"code cell {self.number}{tag}"


@dataclass(frozen=True, kw_only=True)
class Notebook:
    """A notebook's name and cells, as saved."""

    name: str
    cells: tuple[Cell, ...]

    @classmethod
    def read(cls, path: Path) -> Notebook:
        """Read a notebook file; one that is not valid notebook JSON is an error naming the file."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            kinds = [cell["cell_type"] for cell in raw["cells"]]
            cells = tuple(_cell(kinds[: at + 1].count("code"), cell) for at, cell in enumerate(raw["cells"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CatalogueError(
                f"{path.name} cannot be read as a notebook ({type(error).__name__}: {error}). "
                "Open it in JupyterLab and save it again."
            ) from None
        return cls(name=path.stem, cells=cells)

    @property
    def code(self) -> tuple[Cell, ...]:
        """Code cells only."""
        return tuple(cell for cell in self.cells if cell.kind == "code")

    def tagged(self, tag: str) -> Cell:
        """Return the one code cell with `tag`; none or several is an error."""
        found = [cell for cell in self.code if tag in cell.tags]
        if len(found) != 1:
            count = "no cell" if not found else f"{len(found)} cells"
            raise CatalogueError(
                f"{self.name}.ipynb has {count} tagged '{tag}'; expected exactly one code cell. "
                "Set the tag in JupyterLab's property inspector."
            )
        return found[0]

    def headings(self) -> list[str]:
        """Second-level markdown headings in order."""
        lines = (line for c in self.cells if c.kind == "markdown" for line in c.source.splitlines())
        return [line[3:].strip() for line in lines if line.startswith("## ")]

    def evidence(self) -> set[str]:
        """Names given literally to ``evidence.load("...")`` or to a loader of `OWN_LOADERS`."""
        calls = (node for _, node in self.nodes() if isinstance(node, ast.Call))
        loads = (call for call in calls if ast.unparse(call.func) in LOADERS and call.args)
        return {text for text in map(_text, (call.args[0] for call in loads)) if text is not None}

    def reports(self) -> set[str]:
        """Names given literally to ``reporting.from_report("...")``."""
        calls = (node for _, node in self.nodes() if isinstance(node, ast.Call))
        reads = (call for call in calls if ast.unparse(call.func) == "reporting.from_report" and call.args)
        return {text for text in map(_text, (call.args[0] for call in reads)) if text is not None}

    def registry_parameters(self) -> set[str]:
        """Names of parameters given to a loader of `OWN_LOADERS`; they may name own data."""
        calls = (node for _, node in self.nodes() if isinstance(node, ast.Call))
        loads = (call for call in calls if ast.unparse(call.func) in OWN_LOADERS and call.args)
        return {call.args[0].id for call in loads if isinstance(call.args[0], ast.Name)}

    def nodes(self) -> Iterator[tuple[Cell, ast.AST]]:
        """Every syntax node of every code cell; a cell that does not parse is an error naming it."""
        for cell in self.code:
            try:
                tree = ast.parse(cell.source)
            except SyntaxError as error:
                raise CatalogueError(
                    f"{self.name}.ipynb, {cell.place}, line {error.lineno} is not valid Python: {error.msg}."
                ) from None
            yield from ((cell, node) for node in ast.walk(tree))


def _cell(number: int, raw: dict[str, Any]) -> Cell:
    source = raw["source"]
    return Cell(
        number=number,
        kind=str(raw["cell_type"]),
        source=source if isinstance(source, str) else "".join(source),
        tags=tuple(raw.get("metadata", {}).get("tags", ())),
        has_outputs=bool(raw.get("outputs")) or raw.get("execution_count") is not None,
    )


def _text(node: ast.AST) -> str | None:
    """Return what a literal text says, None for any other node."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _outputs_are_stripped(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.code:
        if cell.has_outputs:
            yield f"{cell.place} holds outputs; clear all outputs before saving"


def _tagged_cells(notebook: Notebook) -> Iterator[str]:
    for tag in TAGS:
        found = [cell for cell in notebook.code if tag in cell.tags]
        if len(found) != 1:
            yield f"{len(found)} code cells are tagged '{tag}'; expected exactly one"


def _fixed_headings(notebook: Notebook) -> Iterator[str]:
    found = notebook.headings()
    for heading in HEADINGS:
        if heading not in found:
            yield f"the heading '## {heading}' is missing"
    for heading in found:
        if heading not in HEADINGS:
            yield f"'## {heading}' is not one of the fixed headings.{nearest(heading, HEADINGS)}"
    known = [heading for heading in found if heading in HEADINGS]
    if len(set(known)) == len(HEADINGS) and known != list(HEADINGS):
        yield f"the headings are out of order; expected {' · '.join(HEADINGS)}"


def _no_logic(notebook: Notebook) -> Iterator[str]:
    for cell, node in notebook.nodes():
        word = FORBIDDEN.get(type(node))
        if word:
            yield f"{cell.place} uses '{word}'; notebooks hold no logic, move it into src/soa_evidence"


def _imports(notebook: Notebook) -> Iterator[str]:
    for cell, node in notebook.nodes():
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # Literal only writes down the allowed values of a parameter; it brings no logic.
            if node.module == "typing" and [alias.name for alias in node.names] == ["Literal"]:
                continue
            modules = [node.module or ""]
        for module in modules:
            if module.split(".")[0] != "soa_evidence":
                yield f"{cell.place} imports '{module}'; import from soa_evidence only"


def _no_typed_numbers(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.kind != "markdown":
            continue
        for line in cell.source.splitlines():
            found = re.search(r"[^\s(]*\d[^\s)]*", NO_FINDING.sub("", line))
            if found:
                yield (
                    f"the text '{line.strip()[:60]}' holds the number '{found[0]}', which is bound to "
                    "nothing; write it in a sentence from a result, or leave it out"
                )


#: The rules, each a function from notebook to messages; add one here and `check` applies it.
RULES: tuple[Callable[[Notebook], Iterator[str]], ...] = (
    _outputs_are_stripped,
    _tagged_cells,
    _fixed_headings,
    _no_logic,
    _imports,
    _no_typed_numbers,
)


def problems(notebook: Notebook) -> list[str]:
    """Return everything in which `notebook` breaks the rules of the house, as messages."""
    return [f"{notebook.name}.ipynb: {message}" for rule in RULES for message in rule(notebook)]
