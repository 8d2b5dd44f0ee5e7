"""Which rows of evidence stand behind the numbers of a page: in the ledger, and listed with their sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from soa_evidence.publish.bundles import Item
from soa_evidence.reporting import bundle, records, safe

__all__ = ["in_words", "listed", "named", "numbered"]

#: A number that rests on more choices of rows than this folds them away.
FEW = 4
LONG = 160
_EQUAL = re.compile(r"(\w+) == '([^']*)'")
_AMONG = re.compile(r"(\w+) in \[([^\]]*)\]")


def in_words(where: str) -> str:
    """Say a choice of rows in words: "joint = hip, procedure = primary, year = 2016/17 or 2017/18"."""
    said = _EQUAL.sub(r"\1 = \2", where)
    said = _AMONG.sub(lambda found: f"{found[1]} = {_either(found[2])}", said)
    return said.replace(" and ", ", ")


def named(basis: Sequence[Item]) -> str:
    """Return, for a row of the ledger, links to the rows of evidence behind its number."""
    if not basis:
        return ""
    links = [_link(one) for one in basis]
    if len(links) <= FEW:
        return f'<span class="why">Rows: {"; ".join(links)}</span>'
    items = "".join(f"<li>{link}</li>" for link in links)
    return (
        f'<details class="rows"><summary>Rows: {len(links)} choices of rows</summary>'
        f'<ul class="why">{items}</ul></details>'
    )


def numbered(basis: Iterable[Item], page: str) -> list[str]:
    """Return each choice of rows of a report as a link to where its page tells of it."""
    return [_link(one, page) for one in basis]


def listed(basis: Iterable[Item], *, packages: Iterable[Item] = ()) -> str:
    """Return the table of all choices of rows: how they were chosen, what they hold, what they cite."""
    ordered = sorted(basis, key=lambda one: (one["of"], one["holder"], one["table"], one["where"]))
    if not ordered:
        return ""
    held = {str(package["name"]): package for package in packages}
    heads = ("Rows", "Chosen by", "What they hold, and where they come from")
    table = (
        '<table class="ledger rows" role="table"><caption>Rows of evidence behind the numbers</caption>'
        '<thead role="rowgroup"><tr role="row">'
        + "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in heads)
        + '</tr></thead><tbody role="rowgroup">'
        + "".join(_row(one, held.get(str(one["holder"]))) for one in ordered)
        + "</tbody></table>"
    )
    told = (
        "<p>Each choice is written so that a program finds the same rows: <code>DataFrame.query</code> of "
        "pandas on the file named. run.json, beside this page, holds the same under <code>basis</code>.</p>"
    )
    return f'<h3 id="evidence-rows">Rows of evidence behind the numbers</h3>{told}' + bundle.region(
        table, "Rows of evidence"
    )


def _link(one: Item, page: str = "") -> str:
    chosen = in_words(str(one["where"]))
    chosen = f"{chosen[:LONG]}…" if len(chosen) > LONG else chosen
    where = f" ({safe.escape(chosen)})" if chosen else ""
    where += f": {safe.escape(records.counted_words(one))}" if one["counted"] else ""
    return (
        f'<a href="{page}#rows-{safe.escape(one["id"])}">{records.how_many(one)} of '
        f"{_holder(one)} {safe.escape(one['table'])}</a>{where}"
    )


def _holder(one: Item) -> str:
    return safe.escape(one["holder"] if one["of"] == "package" else f"report {one['holder']}")


def _row(one: Item, package: Mapping[str, Any] | None) -> str:
    name = safe.escape(one["holder"])
    shown = f"<code>{name}</code>"
    if one["of"] == "report":
        shown = f'<a href="../{name}/index.html">{shown}</a>'
    elif package is not None:
        shown = f'<a href="#evidence-{name}">{shown}</a>'
    file = f'<span class="why">File: <code>{safe.escape(one["file"])}</code></span>' if one["file"] else ""
    query = f'<span class="why"><code>{safe.escape(one["where"])}</code></span>' if one["where"] else ""
    return (
        f'<tr role="row" id="rows-{safe.escape(one["id"])}">'
        f'<th scope="row" role="rowheader"><span class="what">{records.how_many(one)}</span>{shown}, '
        f"table {safe.escape(one['table'])}{file}</th>"
        f'<td role="cell">{safe.escape(in_words(str(one["where"]))) or "every row"}{query}</td>'
        f'<td role="cell">{safe.escape(records.counted_words(one))}{_members(one)}{_sources(package)}</td>'
        "</tr>"
    )


def _members(one: Item) -> str:
    if not one["members"]:
        return ""
    items = []
    for member in one["members"]:
        cited = safe.escape(member["citation"])
        if str(member["link"]).startswith(("https://", "http://")):
            cited = f'<a href="{safe.escape(member["link"])}" rel="noreferrer">{cited or "source"}</a>'
        items.append(f"<li><code>{safe.escape(member['key'])}</code>{': ' if cited else ''}{cited}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _sources(package: Mapping[str, Any] | None) -> str:
    if package is None:
        return ""
    items = []
    for source in package.get("sources", ()):
        files = ", ".join(safe.escape(name) for name in source.get("files", ()))
        items.append(f"<li>{safe.escape(source['title'])}{': ' if files else ''}{files}</li>")
    listed = f'<ul class="why">{"".join(items)}</ul>'
    return f'<details class="rows"><summary>Source files</summary>{listed}</details>'


def _either(listed: str) -> str:
    values = [value.strip().strip("'\"") for value in listed.split(",") if value.strip()]
    return " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
