"""Which source files a piece of code can run, followed from import to import without running anything.

A report is made anew when what it runs on changes, and only then. So what may be missed here is nothing: a
package handed on whole (``getattr(units, name)``, ``f(units)``) counts as all that is in it, and code that
imports by a name made up while it runs counts as the whole library. What is imported for type checkers alone
never runs and does not count.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeGuard

from soa_evidence import lazy

__all__ = ["reached"]

ROOT = "soa_evidence"
#: What makes imports that cannot be told by reading.
UNREADABLE = ("__import__", "eval", "exec", "importlib", "import_module", "pkgutil", "runpy")
#: What `importlib` has that imports nothing.
HARMLESS = (("importlib", ("metadata",)), ("importlib", ("resources",)))
#: It follows only what packages offer, which is read here too.
READ_HERE = "lazy.py"
WHOLE = "*"


#: Something of the library as it is written: a module, by its dotted name, and what is asked of it in turn.
Target = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Read:
    """What one source imports and uses of the library, and what its own names stand for."""

    imported: frozenset[Target] = frozenset()
    used: frozenset[Target] = frozenset()
    bound: Mapping[str, frozenset[Target]] = field(default_factory=dict)
    unreadable: bool = False


def reached(starts: Iterable[str], files: Mapping[str, str]) -> dict[str, str]:
    """Return a hash of each file, by path, that running the sources `starts` can need.

    Parameters
    ----------
    starts
        Python sources, such as the code cells of a notebook.
    files
        Text of the library's files by their path inside it, such as ``units/funnel.py``.

    Returns
    -------
    dict
        Of a package that loads its names on use, only what its ``__init__`` does and where it finds the names
        that are used are hashed: a method more in it concerns no one else.
    """
    walk = _Walk(files)
    walk.module(ROOT)
    for source in starts:
        walk.read(_read(source))
    walk.to_the_end()
    return walk.hashes()


class _Walk:
    """The files reached so far, and the names that were used of packages that load on use."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.reached: set[str] = set()
        self.names: dict[str, set[tuple[str, lazy.Place]]] = {}
        self.whole: set[str] = set()
        self._waiting: list[str] = []
        self._asked: set[tuple[Target, bool]] = set()

    def to_the_end(self) -> None:
        """Read every file reached, and those that it reaches."""
        while self._waiting:
            self.read(_read(self._waiting.pop()))

    def read(self, found: _Read) -> None:
        """Reach what one source imports and uses."""
        if found.unreadable:
            self.everything("")
        for target in found.imported:
            self.asked(target, used=False)
        for target in found.used:
            self.asked(target, used=True)

    def module(self, name: str) -> None:
        """Reach what importing a module by its dotted name loads: it and the packages it lies in."""
        inside = name.split(".")[1:]
        for depth in range(len(inside) + 1):
            path = "/".join(inside[:depth])
            if not self.file(_init(path)):
                self.file(f"{path}.py")

    def asked(self, target: Target, *, used: bool) -> None:
        """Reach what a thing of a module can load; a package handed on as a thing can load all it holds."""
        if (target, used) in self._asked:
            return
        self._asked.add((target, used))
        module, names = target
        self.module(module)
        path = module.removeprefix(ROOT).removeprefix(".").replace(".", "/")
        source = self.files.get(_init(path))
        if not names:
            if used and source is not None:
                self.everything(path)
            return
        name, rest = names[0], names[1:]
        if source is not None:
            if name == WHOLE:
                self.everything(path)
                return
            place = _offered(source, module).get(name)
            if place is not None:
                self.names.setdefault(_init(path), set()).add((name, place))
                held = (place.name,) if place.name else ()
                self.asked((place.module, (*held, *rest)), used=used)
                return
        inner = f"{path}/{name}".lstrip("/")
        if _init(inner) in self.files or f"{inner}.py" in self.files:
            self.asked((f"{module}.{name}", rest), used=used)
            return
        # What a module has imported is its attribute too.
        text = self.files.get(f"{path}.py", "") if source is None else source
        for known, more in _read(text).bound.get(name, ()):
            self.asked((known, (*more, *rest)), used=used)

    def file(self, path: str) -> bool:
        """Reach a file, to be read once; False when there is none."""
        if path in self.files and path not in self.reached:
            self.reached.add(path)
            if path != READ_HERE:
                self._waiting.append(self.files[path])
        return path in self.files

    def everything(self, folder: str) -> None:
        """Reach every file in a folder of the library; of the whole of it, publishing runs no cell."""
        inside = f"{folder}/" if folder else ""
        for path in self.files:
            if path.startswith(inside) and (inside or not path.startswith(("publish/", "__main__"))):
                self.whole.add(path)
                self.file(path)

    def hashes(self) -> dict[str, str]:
        """Return a hash of each file reached."""
        return {path: _digest(self._told(path)) for path in sorted(self.reached)}

    def _told(self, path: str) -> str:
        source = self.files[path]
        if path in self.whole or not path.endswith("__init__.py") or not _offered(source, ROOT):
            return source
        names = sorted((name, place.module, place.name or "") for name, place in self.names.get(path, ()))
        return _without_offers(source) + repr(names)


def _init(module: str) -> str:
    return f"{module}/__init__.py" if module else "__init__.py"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _offered(source: str, package: str) -> Mapping[str, lazy.Place]:
    return lazy.offered(source, package=package) if "on_use(" in source else {}


@cache
def _without_offers(source: str) -> str:
    """Return what a package's ``__init__`` does beyond offering names."""
    kept = [node for node in ast.parse(source).body if not _for_type_checkers(node)]
    return "\n".join(ast.unparse(node) for node in kept if not ast.unparse(node).startswith("__all__ ="))


@cache
def _read(source: str) -> _Read:
    """Return what a source imports and uses; one that cannot be parsed may do anything."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return _Read(unreadable=True)
    nodes = list(_running(tree))
    imported: set[Target] = set()
    bound: dict[str, set[Target]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                imported.add((alias.name, ()))
                stands = alias.name if alias.asname else alias.name.split(".")[0]
                bound.setdefault(alias.asname or stands, set()).add((stands, ()))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                target = (str(node.module), (alias.name,))
                imported.add(target)
                bound.setdefault(alias.asname or alias.name, set()).add(target)
    ours = {name: frozenset(t for t in targets if _ours(t)) for name, targets in bound.items()}
    ours = {name: targets for name, targets in ours.items() if targets}
    return _Read(
        imported=frozenset(target for target in imported if _ours(target)),
        used=frozenset(_uses(nodes, ours)),
        bound=ours,
        unreadable=_unreadable(nodes, imported),
    )


def _ours(target: Target) -> bool:
    return target[0].split(".")[0] == ROOT


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but for what stands there for type checkers alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if _for_type_checkers(node):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _for_type_checkers(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _uses(nodes: Iterable[ast.AST], bound: Mapping[str, frozenset[Target]]) -> Iterator[Target]:
    """Return each use of the library's things, with all the attributes that are asked of them in turn."""
    inner = set()
    for node in nodes:  # what holds a node comes before it
        if id(node) in inner:
            continue
        attributes: list[str] = []
        at = node
        while isinstance(at, ast.Attribute):
            attributes.insert(0, at.attr)
            at = at.value
            inner.add(id(at))
        if isinstance(at, ast.Name):
            for module, names in bound.get(at.id, ()):
                yield module, (*names, *attributes)


def _unreadable(nodes: Iterable[ast.AST], imported: Iterable[Target]) -> bool:
    """Say whether a source may import by a name made up as it runs, or from where it lies."""
    said = {node.id for node in nodes if isinstance(node, ast.Name)}
    said |= {module.split(".")[0] for module, names in imported if (module, names) not in HARMLESS}
    relative = any(isinstance(node, ast.ImportFrom) and node.level for node in nodes)
    looked_up = any(isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.modules" for node in nodes)
    return relative or looked_up or bool(said & set(UNREADABLE))
