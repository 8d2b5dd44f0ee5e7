"""The case: every claim weighed by one rule, and no evidence left out unseen.

`weigh` refuses a case in which a report that was read is neither weighed nor set aside with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import claim_shown, safe
from soa_evidence.reporting.claim import LEVELS, METHOD, QUESTIONS, Claim, claim
from soa_evidence.reporting.entry import Number
from soa_evidence.reporting.evidence_lines import MARGINS, SIDES, Line, line, lines
from soa_evidence.reporting.numbers import number
from soa_evidence.reporting.published_report import PublishedReport
from soa_evidence.reporting.sentences import Sentence, sentence
from soa_evidence.reporting.single_results import single_results
from soa_evidence.results import Check

__all__ = ["Case", "Claim", "Line", "claim", "line", "lines", "single_results", "weigh"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Case(bundles.Shown):
    """All claims, weighed by one rule; make it with `weigh`."""

    claims: tuple[Claim, ...]
    set_aside: Mapping[str, str]

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of the weighing, and that no report was left out."""
        weighed = len({one.report for c in self.claims for one in c.lines})
        whole = Check(
            name="every report is weighed, or set aside with a reason",
            verdict="pass",
            observed=f"{weighed} weighed, {len(self.set_aside)} set aside",
            expected="all that this one rests on",
            why="evidence may not be left out because of what it says",
        )
        return (whole, *(check for c in self.claims for check in c.checks))

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part from which the briefing is made."""
        return claim_shown.case_bundle(self)

    @property
    def best_certainty(self) -> str:
        """The highest certainty that any claim reaches."""
        order = [word for _, word in LEVELS]
        return min((one.certainty for one in self.claims), key=order.index)

    @cached_property
    def totals(self) -> dict[str, Number]:
        """The counts over all claims as numbers: claims, all lines, and those of each side."""
        shared: dict[str, Any] = {
            "method": METHOD,
            "population": "all claims; a line that speaks to two is counted with each",
            "evidence": [item for one in self.claims for item in (*one.evidence, *one.basis)],
        }
        lines_all = sum(len(one.lines) for one in self.claims)
        of = {**shared, "unit": "lines of evidence"}
        made = {
            "claims": number(len(self.claims), id="case.claims", estimand="claims", unit="claims", **shared),
            "all": number(lines_all, id="case.all", estimand="lines weighed", **of),
        }
        for side, words in SIDES.items():
            count = sum(one.counts[side] for one in self.claims)
            made[side] = number(count, id=f"case.{safe.slug(side)}", estimand=f"lines: {words.lower()}", **of)
        return made

    @property
    def finding(self) -> Sentence:
        """What the figure shows, in a sentence."""
        n = self.totals
        return sentence(
            "{pro} of {all} lines of evidence are for a claim and {con} against; {ct} cannot tell",
            pro=n["for"], all=n["all"], con=n["against"], ct=n["cannot tell"],
        )  # fmt: skip

    def table(self) -> pd.DataFrame:
        """Return one row a claim, as the index shows it."""
        rows = []
        for one in self.claims:
            told = one.counts
            rows.append(
                {
                    "claim": one.says,
                    "what_the_evidence_says": f"{one.answer}.",
                    "certainty": one.certainty,
                    "for": told["for"],
                    "against": told["against"],
                    "cannot_tell": told["cannot tell"],
                    "small": told["small"],
                    "missing": len(one.missing),
                }
            )
        return pd.DataFrame(rows)

    def intervals(self) -> pd.DataFrame:
        """Return every line in margins: claim, label, direct, side, estimate, lower, upper."""
        return pd.DataFrame(
            [
                {
                    "claim": c.name,
                    "label": one.what,
                    "direct": one.direct,
                    "side": one.side,
                    "estimate": one.estimate,
                    "lower": one.interval[0],
                    "upper": one.interval[1],
                }
                for c in self.claims
                for one in sorted(c.lines, key=lambda line: -line.estimate)
            ]
        )

    def margins(self) -> pd.DataFrame:
        """Return the margin of every unit that occurs: unit, margin, why."""
        units = dict.fromkeys(one.number.unit for c in self.claims for one in c.lines)
        return pd.DataFrame([{"unit": u, "margin": MARGINS[u].text, "why": MARGINS[u].why} for u in units])

    def certainty(self) -> pd.DataFrame:
        """Return the seven questions, one column a claim, and the certainty that follows."""
        rows = [
            {"question": question} | {c.name: ("yes" if c.asked[at].well else "no") for c in self.claims}
            for at, question in enumerate(QUESTIONS.values())
        ]
        rows.append({"question": "Certainty"} | {c.name: c.certainty for c in self.claims})
        return pd.DataFrame(rows)

    def left_out(self) -> pd.DataFrame:
        """Return the reports that were read and not weighed, and why."""
        return pd.DataFrame([{"report": id, "why": why} for id, why in self.set_aside.items()])


def weigh(
    *claims: Claim, reports: Iterable[PublishedReport], set_aside: Mapping[str, str] | None = None
) -> Case:
    """Return the case: all claims, once every report is either weighed or set aside with a reason.

    Raises
    ------
    InputError
        When no claim is given, two have one id, a report is neither weighed nor set aside, or is both, or a
        report that is set aside is none of `reports` or has no reason.
    """
    if not claims:
        raise InputError("weigh() was given no claim; expected at least one.")
    ids = [one.id for one in claims]
    twice = next((id for id in ids if ids.count(id) > 1), None)
    if twice is not None:
        raise InputError(f"Two claims are called '{twice}'; give one of them another id.")
    known = [one.id for one in reports]
    aside = dict(set_aside or {})
    weighed = {one.report for c in claims for one in (*c.lines, *c.controls)}
    for id, why in aside.items():
        if id not in known:
            raise InputError(f"Report '{id}' is set aside but was not read.{nearest(id, known)}")
        if not why.strip():
            raise InputError(f"Report '{id}' is set aside without a reason; say why.")
        if id in weighed:
            raise InputError(f"Report '{id}' is set aside and weighed; do one of the two.")
    left = [id for id in known if id not in weighed and id not in aside]
    if left:
        raise InputError(
            f"Report '{left[0]}' is read and neither weighed nor set aside ({len(left)} such in all). "
            "Weigh it, or name it in set_aside= with the reason: evidence may not be left out unseen."
        )
    return Case(claims=claims, set_aside=aside)
