"""The tables at the end of a page: every number it shows, and the record of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from soa_evidence.publish import evidence_rows
from soa_evidence.publish.bundles import Item
from soa_evidence.publish.templating import date_in_words
from soa_evidence.reporting import bundle, formats, safe
from soa_evidence.reporting import records as entries
from soa_evidence.reporting.provenance import VERDICTS

__all__ = ["numbers_table", "run_record"]

HASH_SHOWN = 12


def numbers_table(
    numbers: Iterable[Item],
    *,
    packages: Iterable[Item] = (),
    basis: Iterable[Item] = (),
    cells: Mapping[str, int] | None = None,
    cells_at: str = "",
) -> str:
    """Return every number as a row that a link can reach, with a CSV of them all.

    Parameters
    ----------
    numbers
        The entries of the ledger.
    packages
        The evidence shown on the page, to which a row links.
    basis
        The rows of evidence behind the numbers, which name them by id; they are listed after the numbers.
    cells
        The cell in which each number is first shown.
    cells_at
        Where the run record stands on the page, when it does.
    """
    records, rows = list(numbers), list(basis)
    told = {str(one["id"]): one for one in rows}
    packages = list(packages)
    kinds = {str(package["name"]): str(package["kind"]) for package in packages}
    where = cells or {}
    if not records:
        return "<p>This report publishes no number.</p>"
    heads = ("Number", "Estimate", "Speaks of, and rests on", "Checks")
    # The roles say again what the tags mean, because on a phone the rows are laid out as blocks.
    table = (
        '<table class="ledger" role="table"><caption>Every number and its record</caption>'
        '<thead role="rowgroup"><tr role="row">'
        + "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in heads)
        + '</tr></thead><tbody role="rowgroup">'
        + "".join(_row(record, kinds, told, where.get(record["id"]), cells_at) for record in records)
        + "</tbody></table>"
    )
    link = bundle.download_link(entries.frame(records, rows), "numbers", "Download all numbers (CSV)")
    listed = evidence_rows.listed(rows, packages=packages)
    return bundle.region(table, "All numbers") + f"<p>{link}</p>{listed}"


def _row(
    record: Item, kinds: Mapping[str, str], rows: Mapping[str, Item], cell: int | None, run_at: str
) -> str:
    name = safe.escape(record["label"] or record["estimand"])
    what = "" if not record["label"] else safe.escape(record["estimand"])
    kind = f" Speaks of {safe.escape(record['estimand_kind'])}." if record.get("estimand_kind") else ""
    evidence = ", ".join(_package(str(name), kinds) for name in record["evidence"])
    return (
        f'<tr role="row" id="number-{safe.escape(record["id"])}">'
        f'<th scope="row" role="rowheader"><span class="what">{name}</span>{what}'
        f'<span class="why"><code>{safe.escape(record["id"])}</code></span></th>'
        f'<td role="cell">{_estimate(record)}</td>'
        f'<td role="cell">{safe.escape(record["population"])}.{kind}'
        f'<span class="why">Method: <code>{safe.escape(record["method"])}</code></span>'
        f'<span class="why">Evidence: {evidence}</span>'
        f"{evidence_rows.named([rows[id] for id in record.get('basis') or () if id in rows])}"
        f"{_origin(record)}{_made(cell, run_at)}</td>"
        f'<td role="cell">{_verdicts(record["checks"])}</td></tr>'
    )


def _package(name: str, kinds: Mapping[str, str]) -> str:
    """Name a package by its kind, with a link to its sources where the page shows them."""
    shown = f"<code>{safe.escape(name)}</code>"
    if name not in kinds:
        return shown
    kind = safe.escape(kinds[name])
    mark = f' <span class="kind {safe.slug(kinds[name])}">({kind})</span>'
    return f'<a href="#evidence-{safe.escape(name)}">{shown}</a>{mark}'


def _made(cell: int | None, run_at: str) -> str:
    """Say where a number was made: the cell of the notebook, and the run."""
    links = [] if cell is None else [f'<a href="#cell-{cell}">cell {cell} of the notebook</a>']
    links += [f'<a href="#{run_at}">run record</a>'] if run_at else []
    return f'<span class="why">Made in: {", ".join(links)}</span>' if links else ""


def _origin(record: Item) -> str:
    """Link a number taken from another report to its record there."""
    origin = record.get("origin")
    if not origin:
        return ""
    report, number = safe.escape(origin["report"]), safe.escape(origin["number"])
    return (
        f'<span class="why">First published in <a href="../{report}/index.html#number-{number}">'
        f"{report}</a></span>"
    )


def _estimate(record: Item) -> str:
    shown = safe.escape(record.get("shown") or _written(record))
    level = ""
    if record.get("level"):
        of = f"{formats.percent(record['level'])} {safe.escape(record['interval'] or '')} interval"
        level = f'<span class="unit">{of}</span>'
    return f'{shown}<span class="unit">{safe.escape(record["unit"])}</span>{level}'


def _written(record: Item) -> str:
    places = formats.significant_decimals(record["estimate"])
    return formats.fixed(record["estimate"], places)


def _verdicts(checks: list[Item]) -> str:
    if not checks:
        return "none apply"
    worst = next(key for key in ("fail", "warn", "pass") if any(c["verdict"] == key for c in checks))
    symbol, word = VERDICTS[worst]
    named = [safe.escape(c["name"]) for c in checks if c["verdict"] == worst]
    said = f"{len(named)} of {len(checks)} {'gave a warning' if worst == 'warn' else word}"
    which = "" if worst == "pass" else f'<span class="why">{"; ".join(named)}</span>'
    return f'<span class="verdict {worst}"><span aria-hidden="true">{symbol}</span> {said}</span>{which}'


def run_record(run: Mapping[str, Any]) -> str:
    """Return the run record as a list of terms: parameters, evidence and code by hash, versions, time."""
    rows: list[tuple[str, str]] = []
    this = run.get("this_run", {})
    overridden = set(run.get("overrides", {}))
    rows.append(("Parameters", _listed(run.get("parameters", {}), marked=overridden)))
    if run.get("seed") is not None:
        rows.append(("Seed", safe.escape(run["seed"])))
    rows.append(("Made from (SHA-256)", _listed(run.get("hashes", {}), short=True)))
    rows.append(("Versions", _listed(run.get("versions", {}))))
    if this.get("started"):
        time = str(this["started"])[11:16]
        rows.append(("Run on", safe.escape(f"{date_in_words(this['started'])}{f', {time}' if time else ''}")))
    if this.get("duration_seconds") is not None:
        rows.append(("Duration", f"{safe.escape(this['duration_seconds'])} seconds"))
    if this.get("git_commit"):
        rows.append(("Commit", f"<code>{safe.escape(this['git_commit'])[:HASH_SHOWN]}</code>"))
    body = "".join(f"<dt>{term}</dt><dd>{value}</dd>" for term, value in rows if value)
    return f'<dl class="run">{body}</dl>'


def _listed(values: Mapping[str, Any], *, short: bool = False, marked: Iterable[str] = ()) -> str:
    if not values:
        return ""
    items = []
    for name, value in values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        note = " (set on the command line)" if name in set(marked) else ""
        cut = shown[:HASH_SHOWN] if short else shown
        items.append(f"<li>{safe.escape(name)}: <code>{safe.escape(cut)}</code>{note}</li>")
    return f"<ul>{''.join(items)}</ul>"
