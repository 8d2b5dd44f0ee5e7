"""Entries of the ledger as plain records: as a frame, as tables, as a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import formats, safe

if TYPE_CHECKING:
    from soa_evidence.reporting.entry import Number

__all__ = ["among", "basis_words", "bundle", "counted_words", "frame", "how_many", "payload", "rows", "table"]


def bundle(numbers: Iterable[Number]) -> dict[str, Any]:
    """Return the MIME bundle of numbers: text, HTML, and the part the publisher collects."""
    held = list(numbers)
    entries = [number.record() for number in held]
    return bundles.bundle(
        text="\n".join(f"{r['estimand']}, {r['label']}: {r['shown']} {r['unit']}" for r in entries),
        html=table(entries),
        payload=payload(held),
    )


def payload(numbers: Iterable[Number]) -> dict[str, Any]:
    """Return the part the publisher collects: the numbers, and the rows of evidence behind them."""
    held = list(numbers)
    return {"kind": "numbers", "numbers": [number.record() for number in held], "basis": rows(held)}


def rows(numbers: Iterable[Number]) -> list[dict[str, Any]]:
    """Return the rows of evidence behind `numbers` as records, each choice once."""
    found = {basis.id: basis for number in numbers for basis in number.basis}
    return [basis.record() for basis in found.values()]


def among(evidence: Iterable[Any], **values: Iterable[str]) -> list[Any]:
    """Return `evidence` with the rows of its tables narrowed to those that have one of `values`."""
    return [item.among(**values) if hasattr(item, "among") else item for item in evidence]


def basis_words(basis: Mapping[str, Any]) -> str:
    """Tell in a line which rows stand behind a number: how many, of which table, chosen by what."""
    chosen = f" where {basis['where']}" if basis["where"] else ""
    holder = basis["holder"] if basis["of"] == "package" else f"report {basis['holder']}"
    held = f" ({counted_words(basis)})" if basis["counted"] else ""
    return f"{how_many(basis)} of {holder}, table {basis['table']}{chosen}{held}"


def how_many(basis: Mapping[str, Any]) -> str:
    """Return "63,803 of 141,938 rows", "all 295 rows" or "the one row"."""
    if basis["rows"] < basis["total"]:
        return f"{basis['rows']:,} of {basis['total']:,} rows"
    return "the one row" if basis["total"] == 1 else f"all {basis['total']:,} rows"


def counted_words(basis: Mapping[str, Any]) -> str:
    """Tell what the rows hold, "116,621 records and 292 providers"."""
    return " and ".join(f"{formats.fixed(one['total'], 0)} {one['unit']}" for one in basis["counted"])


def frame(records: Iterable[dict[str, Any]], basis: Iterable[Mapping[str, Any]] = ()) -> pd.DataFrame:
    """Return ledger entries as a frame of plain cells, for a CSV file; `basis` tells their rows."""
    told = {one["id"]: basis_words(one) for one in basis}
    entries = [
        {key: value for key, value in record.items() if key not in ("checks", "evidence", "basis")}
        | {
            "evidence": "; ".join(record["evidence"]),
            "rows": "; ".join(told[one] for one in record.get("basis", ())),
            "checks": "; ".join(f"{check['name']}: {check['verdict']}" for check in record["checks"]),
        }
        for record in records
    ]
    return pd.DataFrame(entries)


def table(records: list[dict[str, Any]]) -> str:
    """Return one table an estimand, each value linked to its ledger row."""
    html = []
    for estimand, unit in dict.fromkeys((r["estimand"], r["unit"]) for r in records):
        rows = "".join(
            f'<tr><th scope="row">{safe.escape(r["label"] or r["estimand"])}</th>'
            f'<td class="figure"><a class="number" href="#number-{r["id"]}">{safe.escape(r["shown"])}</a>'
            "</td></tr>"
            for r in records
            if (r["estimand"], r["unit"]) == (estimand, unit)
        )
        levels = {r["level"] for r in records if r["estimand"] == estimand and r["level"]}
        head = "Estimate" + (f" ({formats.percent(levels.pop())} interval)" if len(levels) == 1 else "")
        head += "" if unit == "probability" else f", {unit}"
        name = f"{estimand[:1].upper()}{estimand[1:]}"
        html.append(
            bundles.region(
                f"<table><caption>{safe.escape(name)}</caption><thead><tr>"
                f'<th scope="col">For</th><th scope="col" class="figure">{safe.escape(head)}</th>'
                "</tr></thead>"
                f"<tbody>{rows}</tbody></table>",
                name,
            )
        )
    return "".join(html)
