"""Typed parameters of a notebook, read without running it.

The cell tagged ``parameters`` holds one annotated literal a line, with its comment as documentation::

    joint: Literal["hip", "knee"] = "hip"                # Which joint was replaced
    years: list[str] | Literal["all"] = "all"            # Years of the data
    seed: int = 1                                        # Seed of the sampler

Types are ``str``, ``int``, ``float``, ``bool``, ``list[str]``, ``Literal[...]``, ``list[Literal[...]]`` and
unions of these. A value that does not fit is refused here, before any kernel starts.
"""

from __future__ import annotations

import ast
import io
import math
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from soa_evidence.errors import CatalogueError, nearest
from soa_evidence.publish.notebook import Notebook

__all__ = ["Parameter", "ParameterType", "Value", "of_notebook", "overrides", "resolve"]

Value = str | int | float | bool | list[str]
Literal_ = str | int | float | bool

SCALARS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
WORDS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class ParameterType:
    """One way a value may be written: a scalar or a list of text, perhaps from a closed set of `choices`."""

    kind: str
    many: bool = False
    choices: tuple[Literal_, ...] = ()

    def __str__(self) -> str:
        inner = f"Literal[{', '.join(map(repr, self.choices))}]" if self.choices else self.kind
        return f"list[{inner}]" if self.many else inner

    @property
    def words(self) -> str:
        """The type as an error message says it."""
        inner = " or ".join(repr(c) for c in self.choices) if self.choices else self.kind
        return f"a list of {inner}" if self.many else inner

    def fits(self, value: object) -> bool:
        """Say whether `value` is of this type (an int is good as a float; a bool is never a number)."""
        if self.many:
            return isinstance(value, list) and bool(value) and all(self._fits_one(v) for v in value)
        return self._fits_one(value)

    def _fits_one(self, value: object) -> bool:
        if self.choices:
            return any(value == c and type(value) is type(c) for c in self.choices)
        if self.kind == "float":
            return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
        return type(value) is SCALARS[self.kind]

    def parse(self, text: str) -> Value | None:
        """Read command-line text as this type; None where it cannot be."""
        if self.many:
            value: Any = [part.strip() for part in text.split(",") if part.strip()]
        elif self.kind == "bool":
            value = WORDS.get(text.strip().lower())
        else:
            try:
                value = SCALARS[self.kind](text)
            except ValueError:
                return None
        return value if self.fits(value) else None


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: its name, the types it may have, default and meaning."""

    name: str
    types: tuple[ParameterType, ...]
    default: Value
    meaning: str

    @classmethod
    def build(cls, *, statement: ast.stmt, comments: Mapping[int, str], where: str) -> Parameter:
        """Make a parameter of one statement ``name: type = literal  # meaning`` or say what is wrong."""
        if not (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value
        ):
            raise CatalogueError(
                f"{where}: `{ast.unparse(statement)}` is not a typed parameter. "
                "Write `name: type = literal  # meaning`."
            )
        name = statement.target.id
        try:
            default = ast.literal_eval(statement.value)
        except ValueError:
            written = ast.unparse(statement.value)
            raise CatalogueError(
                f"{where}: the default of '{name}' is `{written}`; expected a plain literal."
            ) from None
        last = statement.end_lineno or statement.lineno
        meaning = next(
            (comments[line] for line in (last, statement.lineno, statement.lineno - 1) if line in comments),
            "",
        )
        if not meaning:
            raise CatalogueError(
                f"{where}: parameter '{name}' has no comment saying what it means. Add `# meaning`."
            )
        made = cls(
            name=name,
            types=_types(statement.annotation, where=f"{where}: '{name}'"),
            default=default,
            meaning=meaning,
        )
        made.check(default, where=f"{where}: the default")
        return made

    @property
    def type(self) -> str:
        """The type as Python writes it."""
        return " | ".join(str(t) for t in self.types)

    @property
    def words(self) -> str:
        """The type as a person would say it."""
        return ", or ".join(t.words for t in self.types)

    @property
    def allowed(self) -> list[Literal_] | None:
        """The closed set of values, or None where it is open."""
        closed = all(t.choices for t in self.types)
        return [c for t in self.types for c in t.choices] if closed else None

    def check(self, value: object, *, where: str) -> Value:
        """Return `value` if it has one of the types, else raise CatalogueError saying what was expected."""
        if any(t.fits(value) for t in self.types):
            return value  # type: ignore[return-value]
        choices = [c for t in self.types for c in t.choices]
        wrong = [v for v in (value if isinstance(value, list) else [value]) if v not in choices]
        hint = nearest(wrong[0], choices) if wrong and choices else ""
        raise CatalogueError(
            f"{where}: parameter '{self.name}' is {value!r}; "
            f"expected {self.words}.{hint} It means: {self.meaning}."
        )

    def parse(self, text: str, *, where: str) -> Value:
        """Read command-line `text` as the first type it fits."""
        # A closed set comes first, so that "all" is the word and not a list of one.
        for kind in sorted(self.types, key=lambda t: not t.choices):
            value = kind.parse(text)
            if value is not None:
                return value
        return self.check(text, where=where)


def of_notebook(notebook: Notebook) -> dict[str, Parameter]:
    """Return the parameters of `notebook` by name, from the one cell tagged ``parameters``.

    Raises
    ------
    CatalogueError
        When the cell is missing, or a line in it is not a typed, documented literal.
    """
    cell = notebook.tagged("parameters")
    where = f"{notebook.name}.ipynb, {cell.place}"
    try:
        statements = ast.parse(cell.source).body
    except SyntaxError as error:
        raise CatalogueError(f"{where}, line {error.lineno} is not valid Python: {error.msg}.") from None
    comments = _comments(cell.source)
    found: dict[str, Parameter] = {}
    for statement in statements:
        if isinstance(statement, ast.ImportFrom):  # `from typing import Literal`; the house rules check it
            continue
        parameter = Parameter.build(statement=statement, comments=comments, where=where)
        if parameter.name in found:
            raise CatalogueError(f"{where}: parameter '{parameter.name}' is given twice; keep one.")
        found[parameter.name] = parameter
    return found


def resolve(known: Mapping[str, Parameter], given: Mapping[str, object], *, where: str) -> dict[str, Value]:
    """Return every parameter's value: `given` where given, else the default.

    Raises
    ------
    CatalogueError
        On an unknown name (with the nearest) or a value of the wrong type.
    """
    _refuse_unknown(known, given, where=where)
    checked = {name: known[name].check(value, where=where) for name, value in given.items()}
    return {name: checked.get(name, parameter.default) for name, parameter in known.items()}


def overrides(known: Mapping[str, Parameter], texts: Iterable[str], *, where: str) -> dict[str, Value]:
    """Read ``name=value`` texts of the command line as typed values."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise CatalogueError(f"-p {text} is not name=value; write e.g. -p seed=1.")
        if name.strip() in pairs:
            raise CatalogueError(f"-p gives '{name.strip()}' twice; keep one.")
        pairs[name.strip()] = value.strip()
    _refuse_unknown(known, pairs, where=where)
    return {name: known[name].parse(text, where=where) for name, text in pairs.items()}


def _refuse_unknown(known: Mapping[str, Parameter], given: Iterable[str], *, where: str) -> None:
    for name in given:
        if name not in known:
            raise CatalogueError(
                f"{where}: there is no parameter '{name}'.{nearest(name, known)} "
                f"The notebook takes: {', '.join(known) or 'none'}."
            )


def _comments(source: str) -> dict[int, str]:
    """Return the comments by line number, without their hash."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").rstrip(" .") for t in tokens if t.type == tokenize.COMMENT}


def _types(annotation: ast.expr, *, where: str) -> tuple[ParameterType, ...]:
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _types(left, where=where) + _types(right, where=where)
        case ast.Name(id=kind) if kind in SCALARS:
            return (ParameterType(kind),)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            return (_closed(inner, where=where),)
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            (item, *more) = _types(inner, where=where)
            if item.kind == "str" and not item.many and not more:
                return (ParameterType("str", many=True, choices=item.choices),)
    raise CatalogueError(
        f"{where} has the type `{ast.unparse(annotation)}`; expected str, int, float, bool, list[str], "
        "Literal[...] or a union of these."
    )


def _closed(inner: ast.expr, *, where: str) -> ParameterType:
    items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    values = tuple(item.value for item in items if isinstance(item, ast.Constant))
    kinds = {type(value).__name__ for value in values}
    if len(values) != len(items) or len(kinds) != 1 or not kinds <= set(SCALARS):
        raise CatalogueError(f"{where}: Literal[{ast.unparse(inner)}] must list plain values of one type.")
    return ParameterType(kinds.pop(), choices=values)  # type: ignore[arg-type]
