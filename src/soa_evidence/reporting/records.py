"""Entries of the ledger as plain records: as a frame, as tables, as a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import formats, safe

__all__ = ["bundle", "frame", "table"]


def bundle(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the MIME bundle of ledger entries: text, HTML, and the part the publisher collects."""
    return bundles.bundle(
        text="\n".join(f"{r['estimand']}, {r['label']}: {r['shown']} {r['unit']}" for r in records),
        html=table(records),
        payload={"kind": "numbers", "numbers": records},
    )


def frame(records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return ledger entries as a frame of plain cells, for a CSV file."""
    rows = [
        {key: value for key, value in record.items() if key not in ("checks", "evidence")}
        | {
            "evidence": "; ".join(record["evidence"]),
            "checks": "; ".join(f"{check['name']}: {check['verdict']}" for check in record["checks"]),
        }
        for record in records
    ]
    return pd.DataFrame(rows)


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
