"""What a report leaves behind for machines: numbers.json, run.json, figures and tables.

The same numbers are the same bytes: keys in a fixed order, floats at ten significant digits. What differs
from run to run (time, duration, commit) stands in one place of run.json, under ``this_run``.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

from soa_evidence.publish.bundles import Bundles, Item
from soa_evidence.publish.disclosure import NUMBER_FIELDS

__all__ = ["describe", "numbers_json", "read", "to_json", "write_failed", "write_published"]

SIGNIFICANT_DIGITS = 10
PACKAGES = (
    "soa-evidence", "arviz", "matplotlib", "numpy", "nutpie", "pandas", "papermill", "pymc", "pytensor",
    "scipy", "statsmodels",
)  # fmt: skip


def describe(
    meta: Mapping[str, str],
    *,
    parameters: Mapping[str, Any],
    overrides: Mapping[str, Any],
    hashes: Mapping[str, str],
    bundles: Bundles,
    failed: Iterable[Item] = (),
    executed: Any = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """Return the run record of one report, as run.json holds it.

    Parameters
    ----------
    meta
        id, title and question of the report.
    parameters, overrides
        Every value used, and those among them that the command line had set.
    hashes
        Hash of each thing the report was made from.
    bundles
        What the notebook showed.
    failed
        Reasons against publication; with any, the status is "failed".
    executed
        The executed notebook, for when it started and how long it took.
    root
        Folder whose git commit is recorded. The hashes, not the commit, say what was run: the tree may have
        held changes.
    """
    failed = list(failed)
    timing = {} if executed is None else executed.metadata.get("papermill", {})
    return {
        "report": meta["id"],
        "title": meta["title"],
        "question": meta["question"],
        "status": "failed" if failed else "published",
        "headline": [] if failed else [str(s.get("text", "")) for s in bundles.headlines],
        "parameters": dict(parameters),
        "overrides": dict(overrides),
        "seed": parameters.get("seed"),
        "evidence": [dict(p) for p in bundles.packages],
        "basis": [] if failed else [dict(one) for one in bundles.basis],
        "hashes": dict(sorted(hashes.items())),
        "versions": _versions(),
        "checks": [dict(c) for c in bundles.checks],
        "failed": [dict(c) for c in failed],
        "claims": [] if failed else _claims(bundles),
        **({"case": [dict(one) for one in bundles.cases]} if bundles.cases and not failed else {}),
        "this_run": {
            "started": str(timing.get("start_time") or "")[:19],
            "duration_seconds": round(float(timing.get("duration") or 0.0), 1),
            "git_commit": _commit(root),
        },
    }


def _claims(bundles: Bundles) -> list[dict[str, Any]]:
    """Return every sentence that states a number: its role and its pieces."""
    made = [(str(s.get("role", "")), s.get("sentences") or [s]) for s in bundles.sentences]
    told = [(role, one["parts"]) for role, several in made for one in several if "parts" in one]
    return [{"role": role, "parts": parts} for role, parts in told if any(part["number"] for part in parts)]


def numbers_json(bundles: Bundles) -> str:
    """Return every published number, sorted by id, each with every field of `NUMBER_FIELDS`.

    Of the rows behind it each names the ids, under ``basis``; run.json tells what they are.
    """
    extra = ("estimand_kind", "decimals", "origin", "basis")
    rows = [{key: number.get(key) for key in (*NUMBER_FIELDS, *extra)} for number in bundles.numbers]
    return to_json(sorted(rows, key=lambda row: str(row["id"])))


def to_json(value: object) -> str:
    """Write `value` as JSON that is the same bytes for the same numbers."""
    return json.dumps(_rounded(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(path: Path) -> Any:
    """Return what a JSON file holds, or None when it is absent or not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_published(
    folder: Path, *, page: str, run: Mapping[str, Any], bundles: Bundles, briefing: str | None = None
) -> None:
    """Write everything of a published report; the page last, so that a page is never without its record."""
    _clear(folder)
    for figure in bundles.figures:
        _write(folder / "figures" / f"{figure['id']}.svg", figure["svg"])
        _write(folder / "figures" / f"{figure['id']}.csv", figure["csv"])
    for table in bundles.tables:
        _write(folder / "tables" / f"{table['id']}.csv", table["csv"])
    for result in bundles.derived:
        _write(folder / "derived" / f"{result['id']}.parquet", base64.b64decode(result["parquet"]))
    _write(folder / "numbers.json", numbers_json(bundles))
    _write(folder / "run.json", to_json(run))
    if briefing is not None:
        _write(folder / "briefing.html", briefing)
    _write(folder / "index.html", page)


def write_failed(folder: Path, *, page: str, run: Mapping[str, Any]) -> None:
    """Write an error page and a failed record; no number of a failed run is left behind."""
    _clear(folder)
    _write(folder / "numbers.json", "[]\n")
    _write(folder / "run.json", to_json(run))
    _write(folder / "index.html", page)


def _clear(folder: Path) -> None:
    for name in ("index.html", "briefing.html", "briefing.pdf"):
        (folder / name).unlink(missing_ok=True)
    for name in ("figures", "tables", "derived"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _write(path: Path, content: str | bytes) -> None:
    """Write whole or not at all: an interrupted build leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(path)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _commit(root: Path | None) -> str:
    if root is None:
        return "not in git"
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "not in git"
    return done.stdout.strip()
