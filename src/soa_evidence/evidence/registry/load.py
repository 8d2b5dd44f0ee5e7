"""Open a registry for analysis: the synthetic one by name, a researcher's own by path."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from soa_evidence.errors import EvidenceError, InputError, nearest
from soa_evidence.evidence.load import CAUTIOUS_SMALLEST_COUNT
from soa_evidence.evidence.registry.extract import Registry
from soa_evidence.evidence.registry.findings import broken_rows
from soa_evidence.evidence.registry.read import Extract, read
from soa_evidence.evidence.registry.report import ROWS_SHOWN, RegistryReport, of_extract
from soa_evidence.evidence.registry.rows import NO_DATE, Rows
from soa_evidence.results import Check

__all__ = ["DEFAULT_SEED", "DEFAULT_SIZE", "OWN_NAME", "SYNTHETIC_NAME", "load"]

DEFAULT_SIZE = 200_000
DEFAULT_SEED = 20_261
SYNTHETIC_NAME = "syn-registry"
#: Under this name a researcher's extract stands in a report, whatever its file is called.
OWN_NAME = "own-registry-extract"
OnImpossible = Literal["error", "exclude"]
#: With more left out than this, what is left is another population.
MOST_EXCLUDED = 0.05
#: With more gaps than this, adjusting for a column adjusts for little.
MANY_GAPS = 0.30


def load(
    source: str | Path,
    *,
    on_impossible: OnImpossible = "error",
    units: str | Path | None = None,
    extract_date: str | None = None,
    size: int = DEFAULT_SIZE,
    seed: int = DEFAULT_SEED,
    scenario: str = "default",
    folder: str | Path | None = None,
) -> Registry:
    """Open a registry: ``"syn-registry"``, or the path of a CSV or Parquet file that keeps the contract.

    Parameters
    ----------
    source
        The name, or the path. A notebook takes it from a parameter, so that it runs on either unchanged.
    on_impossible
        Of a file: ``"error"`` refuses it when any row breaks a rule; ``"exclude"`` leaves such rows out, and
        counts them in `Registry.excluded` and in a check.
    units, extract_date
        Of a file: see `read.read`.
    size, seed, scenario
        Of syn-registry: rows, seed, and ``"default"``, ``"no_difference"`` or ``"referral_bias"``. A file is
        what it is and takes no notice of them.
    folder
        Where evidence packages lie, when not found from the working directory.

    Raises
    ------
    InputError
        On an unknown name or choice.
    EvidenceError
        When the file cannot be read, lacks what every extract needs, or holds impossible rows that are not to
        be left out.
    """
    if on_impossible not in get_args(OnImpossible):
        raise InputError(f"on_impossible is {on_impossible!r}; expected 'error' or 'exclude'.")
    if str(source) == SYNTHETIC_NAME:
        from soa_evidence.evidence.syn_registry.open import open_synthetic

        return open_synthetic(size=size, seed=seed, scenario=scenario, folder=folder)
    if Path(source).suffix.lower() not in (".csv", ".parquet"):
        raise InputError(
            f"There is no registry {Path(source).name!r}.{nearest(source, [SYNTHETIC_NAME])} Expected "
            f"'{SYNTHETIC_NAME}', or the path of a file ending in .csv or .parquet."
        )
    extract = read(source, units=units, extract_date=extract_date)
    report = of_extract(extract)
    if not len(extract.rows.classes):
        raise EvidenceError(
            f"'{extract.name}' does not say of what class its units are. Add the column 'unit_class', or put "
            f"a table with the columns unit and unit_class beside it: '{Path(extract.name).stem}.units.csv'."
        )
    if report.findings and on_impossible == "error":
        raise EvidenceError(_refusal(report))
    return _registry(extract, report)


def _refusal(report: RegistryReport) -> str:
    listed = "\n".join(f"  {finding.text(ROWS_SHOWN)}" for finding in report.findings)
    return (
        f"{report.rows - report.usable:,} of {report.rows:,} rows of '{report.name}' cannot be right:\n"
        f"{listed}\n"
        "Correct them (soa-evidence check-registry says how), or leave them out with on_impossible='exclude'."
    )


def _registry(extract: Extract, report: RegistryReport) -> Registry:
    kept = ~broken_rows(extract.findings, len(extract.rows))
    if not kept.any():
        raise EvidenceError(f"No row of '{extract.name}' may be used:\n{report.text()}")
    rows = extract.rows if kept.all() else extract.rows.take(kept)
    unit_count = len(np.unique(rows.unit))
    return Registry(
        name=OWN_NAME,
        title=f"Own registry extract: {len(extract.rows):,} primaries at {unit_count:,} units",
        kind="own data",
        licence="Not published; held by those who ran the report",
        sources=({"title": f"Extract of {len(extract.rows):,} rows, {report.hash}"},),
        hash=extract.hash,
        smallest_count=CAUTIOUS_SMALLEST_COUNT,
        caveats=("Own data: only its hash and size are recorded.",),
        rows=len(extract.rows),
        excluded=MappingProxyType({finding.says: finding.count for finding in extract.findings}),
        extract_day=report.extract_day,
        checks=tuple(_checks(report, rows)),
        truth=None,
        kept=rows,
        row_numbers=np.flatnonzero(kept).astype(np.int64) + 1,
    )


def _checks(report: RegistryReport, rows: Rows) -> list[Check]:
    left_out = report.rows - report.usable
    share = left_out / report.rows
    told = "; ".join(f"{f.says}: {_told(f.count)}" for f in report.findings) or "none"
    gaps = {name: part for name, part in report.not_recorded.items() if part > MANY_GAPS}
    return [
        Check(
            name="rows left out because they cannot be right",
            verdict="fail" if share > MOST_EXCLUDED else "warn" if left_out else "pass",
            observed=f"{_told(left_out)} of {report.rows:,}: {told}",
            expected=f"none; at most {MOST_EXCLUDED:.0%}",
            why="errors are seldom spread evenly over units, so leaving rows out can make a difference",
        ),
        Check(
            name="case mix not recorded",
            verdict="warn" if gaps else "pass",
            observed=", ".join(f"{name} {part:.0%}" for name, part in gaps.items()) or "none above the limit",
            expected=f"at most {MANY_GAPS:.0%} of rows in any column",
            why="what is not recorded cannot be adjusted for",
        ),
        _some_events(rows),
    ]


def _told(count: int) -> str:
    """Return a count as it may be published."""
    return f"fewer than {CAUTIOUS_SMALLEST_COUNT}" if 0 < count < CAUTIOUS_SMALLEST_COUNT else f"{count:,}"


def _some_events(rows: Rows) -> Check:
    revised, died = (int((getattr(rows, name) != NO_DATE).sum()) for name in ("revision_date", "death_date"))
    return Check(
        name="revisions and deaths in the extract",
        verdict="pass" if revised and died else "warn",
        observed=f"{'some' if revised else 'no'} revisions, {'some' if died else 'no'} deaths",
        expected="some of each",
        why="an extract not linked to deaths overstates how many are still at risk",
    )
