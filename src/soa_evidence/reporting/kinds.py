"""Three kinds of number, told apart on sight: measured, reported by others, assumed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting.entry import Number
from soa_evidence.reporting.sentences import Given
from soa_evidence.reporting.tables import Table, table

__all__ = ["MARKS", "kinds"]

#: Mark and words of each kind; a reader never has to tell them apart by colour.
MARKS = {"measured": "● measured", "reported": "○ reported by others", "assumed": "△ assumed"}


def kinds(
    *,
    measured: Mapping[str, Number | Given],
    reported: Mapping[str, Number | Given],
    assumed: Mapping[str, Number | Given],
    id: str = "kinds-of-number",
    title: str = "What is measured, what others report, and what is assumed",
) -> Table:
    """Show what a report's numbers are, one a row, measured first.

    Parameters
    ----------
    measured, reported, assumed
        By what it is, in words: a `Number`, or a declared figure whose reason stands as its source.

    Raises
    ------
    InputError
        When a kind has no number (say so with `given("none", why=...)`), or a value is neither.
    """
    rows = []
    for kind, items in (("measured", measured), ("reported", reported), ("assumed", assumed)):
        if not items:
            raise InputError(
                f"No number is {kind}; say so, with {kind}={{'none': given('none', why='…')}}, so that a "
                f"reader "
                "need not guess."
            )
        for what, value in items.items():
            match value:
                case Number():
                    shown = value.text("both" if value.lower is not None else "")
                    rows.append((MARKS[kind], what, f"{shown} {value.unit}", value.method))
                case Given():
                    rows.append((MARKS[kind], what, value.text, value.why))
                case _:
                    raise InputError(
                        f"'{what}' is {value!r} ({type(value).__name__}); expected a Number, or given(…, "
                        f"why=…)."
                    )
    frame = pd.DataFrame(rows, columns=["kind", "what", "value", "from"])
    return table(frame, id=id, title=title, fold=False)
