"""What changed since the last edition: numbers that moved, why, and conclusions that flipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from soa_evidence.publish.index import no_difference
from soa_evidence.publish.templating import fill
from soa_evidence.reporting import safe

__all__ = ["Change", "compare", "reasons", "render", "verdict"]

#: Part of a report's fingerprint to what a change in it is called.
CAUSES = {
    "notebook": "the analysis (notebook)",
    "parameters": "parameters",
    "library": "the methods' code",
    "environment": "versions of the software below",
}

#: Equal in these, to the ten digits that are kept, a number has not moved however it is written.
VALUES = ("estimate", "lower", "upper", "unit")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One number that is not what it was; `flipped` says how its conclusion changed, where it did."""

    report: str
    number: str
    name: str
    before: str
    after: str
    flipped: str = ""
    turning_point: bool = False


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return the numbers that differ as shown between two editions of one report, conclusions first."""
    was, now = old["numbers"], new["numbers"]
    found = [_change(new, id, was.get(id), now.get(id)) for id in dict.fromkeys([*now, *was])]
    changed = [change for change in found if change is not None]
    return sorted(changed, key=lambda c: (not c.turning_point, not c.flipped))


def verdict(number: Mapping[str, Any]) -> str:
    """Return what a comparison's interval says, "higher", "lower" or "cannot tell"; '' for no comparison."""
    none = no_difference(number)
    if none is None or number.get("lower") is None:
        return ""
    if number["lower"] > none:
        return "higher"
    return "lower" if number["upper"] < none else "cannot tell"


def reasons(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what the report was made from that differs, in words; parameters by name and value."""
    was, now = old["hashes"], new["hashes"]
    named = []
    for part in dict.fromkeys([*now, *was]):
        if was.get(part) == now.get(part) or part in ("entry", "publishing"):
            continue
        if part == "parameters":
            named += list(_parameters(old["parameters"], new["parameters"]))
        elif part.startswith("evidence "):
            word = "added" if part not in was else "removed" if part not in now else "changed"
            named.append(f"evidence {part.removeprefix('evidence ')} {word}")
        elif part.startswith("report "):
            named.append(f"what report {part.removeprefix('report ')} published")
        else:
            named.append(CAUSES.get(part, part))
    return named


def render(built: Mapping[str, Any], before: Mapping[str, Any] | None, *, edition: str = "") -> str:
    """Return the page that tells what changed between the edition `before` and what is built."""
    from markupsafe import Markup

    old = (before or {}).get("reports", {})
    published = {id: held for id, held in built.items() if held["status"] == "published"}
    shared = [id for id in published if id in old]
    told = [_told(id, old[id], published[id]) for id in shared]
    changed = [report for report in told if report["changes"]]
    flipped = [
        {**vars(change), "href": f"{change.report}/index.html#number-{change.number}"}
        for report in changed
        for change in report["changes"]
        if change.flipped
    ]
    return fill(
        "changes.html.jinja",
        edition=edition,
        before=before,
        flipped=[f for f in flipped if f["turning_point"]],
        turned=[f for f in flipped if not f["turning_point"]],
        changed=[{**report, "table": Markup(_table(report["changes"]))} for report in changed],
        same=[report["title"] for report in told if not report["changes"]],
        added=[published[id]["title"] for id in published if id not in old],
        withheld=[old[id]["title"] for id in old if id not in published],
    )


def _told(id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "title": new["title"],
        "changes": compare(old, {**new, "id": id}),
        "why": reasons(old, new),
        "answers": [old["answer"], new["answer"]] if old["answer"] != new["answer"] else [],
    }


def _change(
    report: Mapping[str, Any], id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Change | None:
    was, now = (old or {}).get("shown", ""), (new or {}).get("shown", "")
    if was == now or (old and new and all(old.get(key) == new.get(key) for key in VALUES)):
        return None
    said, says = (verdict(old) if old else ""), (verdict(new) if new else "")
    kept = new or old or {}
    return Change(
        report=str(report["id"]),
        number=id,
        name=": ".join(filter(None, [str(kept.get("label") or ""), str(kept["estimand"])])),
        before=was or "not there",
        after=now or "no longer there",
        flipped=f"{said} → {says}" if said and says and said != says else "",
        turning_point=id == report.get("turns_on"),
    )


def _parameters(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*new, *old]):
        if old.get(name) != new.get(name):
            yield f"parameter {name}: {old.get(name, 'not there')} → {new.get(name, 'no longer there')}"


def _table(changes: list[Change]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><a href="{safe.escape(c.report)}/index.html#number-{safe.escape(c.number)}">'
        f"{safe.escape(c.name)}</a></th><td>{safe.escape(c.before)}</td><td>{safe.escape(c.after)}</td>"
        f"<td>{safe.escape(c.flipped)}</td></tr>"
        if c.after != "no longer there"
        else f'<tr><th scope="row">{safe.escape(c.name)}</th><td>{safe.escape(c.before)}</td>'
        f"<td>{safe.escape(c.after)}</td><td></td></tr>"
        for c in changes
    )
    return (
        '<div class="scroll" role="region" tabindex="0" aria-label="Numbers that moved"><table>'
        "<caption>Numbers that moved beyond rounding</caption><thead><tr>"
        + "".join(f'<th scope="col">{h}</th>' for h in ("Number", "Before", "Now", "What its interval says"))
        + f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )
