"""Packages that load what they offer when it is first asked for.

A report uses a few of the hundred-odd methods there are, and should not wait for the rest to be imported.

The ``__init__`` of a package lists what it offers as ordinary imports under ``if TYPE_CHECKING:``. Type
checkers, editors and the import linter read them there; at run time `on_use` reads the same lines and follows
one when its name is first used. So a name is added as to any package, by one import and one entry of
``__all__``::

    from typing import TYPE_CHECKING

    from soa_evidence import lazy

    if TYPE_CHECKING:
        from soa_evidence.units import binomial, funnel
        from soa_evidence.units.contrasts import margins

    __all__ = ["binomial", "funnel", "margins"]

    lazy.on_use(__name__)
"""

from __future__ import annotations

import ast
import importlib
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Place", "offered", "on_use"]


@dataclass(frozen=True)
class Place:
    """Where something that a package offers is found: a module, or with `name` a thing in it."""

    module: str
    name: str | None = None


def on_use(package: str) -> None:
    """Make a package load each thing it offers when it is first used.

    Parameters
    ----------
    package
        Its full name; called from its ``__init__`` as ``lazy.on_use(__name__)``.

    Raises
    ------
    ImportError
        When the package's source is not there, or ``__all__`` names something that is found nowhere.
    """
    module = sys.modules[package]
    loader = module.__spec__.loader if module.__spec__ else None
    source = loader.get_source(package) if loader and hasattr(loader, "get_source") else None
    if source is None:
        raise ImportError(f"The source of {package} is not there to read what it offers.", name=package)
    places = offered(source, package=package)
    lost = [name for name in module.__all__ if name not in places and name not in vars(module)]
    if lost:
        raise ImportError(
            f"{package} offers {', '.join(lost)} in __all__ but says not where it is found; "
            "import it under `if TYPE_CHECKING:`.",
            name=package,
        )
    vars(module)["__places__"] = places
    module.__class__ = _OnUse


def offered(source: str, *, package: str) -> dict[str, Place]:
    """Return what the source of a package's ``__init__`` offers for loading on use, by name.

    Parameters
    ----------
    source
        Python, with imports under ``if TYPE_CHECKING:``.
    package
        Full name of the package: what is imported from itself is a module of its own.
    """
    found = {}
    for node in _for_type_checkers(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                own = node.module == package
                place = Place(f"{package}.{alias.name}") if own else Place(node.module, alias.name)
                found[alias.asname or alias.name] = place
    return found


def _for_type_checkers(tree: ast.Module) -> list[ast.stmt]:
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    return [line for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING" for line in node.body]


class _OnUse(ModuleType):
    """A package whose names are looked up in ``__places__`` when they are not there yet."""

    __places__: dict[str, Place]

    def __getattr__(self, name: str) -> Any:
        place = self.__places__.get(name)
        if place is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        module = importlib.import_module(place.module)
        value = module if place.name is None else getattr(module, place.name)
        vars(self)[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # Python puts a module, once imported, into its package. One that is called like the function it holds
        # (`figures.forest`) would take its place.
        place = self.__places__.get(name)
        if isinstance(value, ModuleType) and place is not None and place.name is not None:
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *self.__places__})
