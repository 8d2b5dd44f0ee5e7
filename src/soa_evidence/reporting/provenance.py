"""What a report rests on, shown: its checks and its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from soa_evidence.errors import InputError
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import safe
from soa_evidence.results import Check

__all__ = [
    "VERDICTS",
    "ChecksShown",
    "EvidenceShown",
    "checks",
    "checks_table",
    "evidence_records",
    "evidence_used",
    "stacked",
    "tally",
]


class Package(Protocol):
    """What is shown of an evidence package; `soa_evidence.evidence.Package` has it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def licence(self) -> Any: ...
    @property
    def sources(self) -> Any: ...
    @property
    def hash(self) -> str: ...


#: Symbol and word of each verdict; a reader never has to tell them apart by colour.
VERDICTS = {"pass": ("✓", "passed"), "warn": ("!", "warning"), "fail": ("✗", "failed")}
KINDS = {
    "published": "published by others",
    "derived": "derived by us from published data",
    "synthetic": "SYNTHETIC: made up by a program",
    "own data": "own data of those who ran the report, not published",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ChecksShown(bundles.Shown):
    """A table of checks, the worst first."""

    checks: tuple[Check, ...]

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        fields = ("name", "verdict", "observed", "expected", "why")
        records = [{name: getattr(check, name) for name in fields} for check in self.checks]
        return bundles.bundle(
            text="\n".join(f"{c.verdict}: {c.name}: {c.observed} ({c.expected})" for c in self.checks),
            html=checks_table(records),
            payload={"kind": "checks", "checks": records},
        )


def checks(items: Iterable[Check] | Mapping[str, Iterable[Check]]) -> ChecksShown:
    """Show checks as a table; failed ones first, then warnings, each only once.

    Parameters
    ----------
    items
        Checks; or, where several fits are checked alike, the checks of each by its subject, which then
        stands before their names.

    Raises
    ------
    InputError
        When there is none, or two of one name saw different things and nothing tells whose each is.
    """
    if isinstance(items, Mapping):
        named = [(who, one) for who, own in items.items() for one in own]
        items = [replace(one, name=f"{who}: {one.name}" if who else one.name) for who, one in named]
    order = ("fail", "warn", "pass")
    unique = {(c.name, c.verdict, c.observed): c for c in items}
    if not unique:
        raise InputError("checks() was given no checks; a result carries at least one.")
    names = [c.name for c in unique.values()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"Check '{twice}' stands {names.count(twice)} times, with different findings, and nothing tells "
            "them apart. Give the checks by their subject: checks({'what was fitted': result.checks, ...})."
        )
    return ChecksShown(checks=tuple(sorted(unique.values(), key=lambda c: order.index(c.verdict))))


def tally(records: Iterable[Mapping[str, Any]]) -> str:
    """Return "12 passed, 1 warning, 0 failed" for checks, or '' for none."""
    verdicts = [record["verdict"] for record in records]
    if not verdicts:
        return ""
    return ", ".join(
        f"{verdicts.count(key)} {word}{'s' if key == 'warn' and verdicts.count(key) != 1 else ''}"
        for key, (_, word) in VERDICTS.items()
    )


def checks_table(records: Iterable[Mapping[str, Any]], caption: str | None = None) -> str:
    """Return checks as an HTML table with the verdict in words and a symbol."""
    records = list(records)
    caption = caption or f"Checks: {tally(records)}"
    heads = ("Verdict", "What was checked, and why", "Observed", "Expected")
    rows = "".join(_check_row(record) for record in records)
    return bundles.region(stacked("checks", caption, heads, rows), caption)


def stacked(kind: str, caption: str, heads: Sequence[str], rows: str) -> str:
    """Return a table whose rows stand as blocks on a phone; the roles say again what the tags mean there."""
    head = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in heads)
    return (
        f'<table class="{kind} stacked" role="table"><caption>{safe.escape(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table>'
    )


def _check_row(record: Mapping[str, Any]) -> str:
    symbol, word = VERDICTS[record["verdict"]]
    cells = {key: safe.escape(record.get(key, "")) for key in ("name", "why", "observed", "expected")}
    return (
        f'<tr role="row" class="{record["verdict"]}">'
        f'<td role="cell" class="verdict"><span aria-hidden="true">{symbol}</span> {word}</td>'
        f'<th scope="row" role="rowheader">{cells["name"]}<span class="why">{cells["why"]}</span></th>'
        f'<td role="cell" data-head="Observed">{cells["observed"]}</td>'
        f'<td role="cell" data-head="Expected">{cells["expected"]}</td></tr>'
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class EvidenceShown(bundles.Shown):
    """The evidence packages of a report: kind, licence, source and hash."""

    packages: tuple[Package, ...]

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        return evidence_records(_package_record(package) for package in self.packages)


def evidence_records(packages: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the MIME bundle of evidence packages given as records."""
    records = list(packages)
    heads = ("Package", "Kind", "Sources", "Licence")
    rows = "".join(_package_row(record) for record in records)
    table = stacked("evidence", "Evidence packages used", heads, rows)
    return bundles.bundle(
        text="\n".join(f"{r['name']}: {r['title']} ({r['kind']})" for r in records),
        html=bundles.region(table, "Evidence packages used"),
        payload={"kind": "evidence", "packages": records},
    )


def evidence_used(*packages: Package) -> EvidenceShown:
    """Show the evidence packages that a report uses."""
    if not packages:
        raise InputError("evidence_used() was given no package; a report rests on at least one.")
    return EvidenceShown(packages=packages)


def _package_record(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "title": package.title,
        "kind": package.kind,
        "licence": _words(package.licence),
        "hash": package.hash,
        "sources": [_source(source) for source in package.sources],
    }


def _words(value: Any) -> str:
    """Return a licence as text, whether it is a name or a descriptor with one."""
    if isinstance(value, dict):
        return str(value.get("title") or value.get("name") or value.get("path") or "")
    if isinstance(value, list | tuple):
        return "; ".join(_words(item) for item in value)
    return str(value)


def _source(source: Any) -> dict[str, Any]:
    """Return a source by its title, its address, and the names of the files taken from it."""
    if isinstance(source, Mapping):
        files = [str(file.get("name", "")) for file in source.get("soa:files", ())]
        return {"title": str(source.get("title", "")), "path": str(source.get("path", "")), "files": files}
    return {"title": str(source), "path": "", "files": []}


def _package_row(record: dict[str, Any]) -> str:
    sources = "".join(f"<li>{_linked(source)}</li>" for source in record["sources"])
    kind = safe.escape(KINDS.get(record["kind"], record["kind"]))
    name = safe.escape(record["name"])
    return (
        f'<tr role="row" id="evidence-{name}"><th scope="row" role="rowheader"><code>{name}</code>'
        f'<span class="why">{safe.escape(record["title"])}</span></th>'
        f'<td role="cell" data-head="Kind"><span class="kind {safe.slug(record["kind"])}">{kind}</span></td>'
        f'<td role="cell"><ul>{sources}</ul></td>'
        f'<td role="cell" data-head="Licence">{safe.escape(record["licence"])}</td></tr>'
    )


def _linked(source: dict[str, Any]) -> str:
    title = safe.escape(source["title"] or source["path"])
    # only addresses a reader can follow; anything else (a script, a path of ours) stays text
    if source["path"].startswith(("https://", "http://")):
        return f'<a href="{safe.escape(source["path"])}" rel="noreferrer">{title}</a>'
    return title
