"""Figures of the specification curve and of tipping points, and tipping points in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sensitivity_toys import risks

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures, suppositions
from soa_evidence.units.sensitivity import unmeasured_severity

WORDS = {"title": "A finding", "subtitle": "What is drawn"}
CHOICES = {"who": ("these", "<those>"), "years": ("all",), "how": ("a", "b", "c")}
LEDGER = {"id": "x", "population": "people", "evidence": ["syn-x"], "method": "m"}


def specifications(n=30):
    at = np.arange(n)
    return pd.DataFrame(
        {
            "estimate": at - 20.0, "lower": at - 26.0, "upper": at - 14.0, "years": "all",
            "who": np.where(at % 2, "these", "<those>"), "how": np.array(["a", "b", "c"])[at % 3],
        }
    )  # fmt: skip


def curve(frame=None, **changes):
    words = {**WORDS, "id": "curve", "unit_text": "per 1,000", "choices": CHOICES, "headline": -3.0}
    return figures.specification_curve(specifications() if frame is None else frame, **{**words, **changes})


@pytest.mark.parametrize("n", [1, 3, 30, 700])
def test_a_curve_is_drawn_of_few_and_many(n):
    figure = curve(specifications(n))
    for svg in (figure.svg, figure.svg_narrow):
        ElementTree.fromstring(svg)
        assert "<those>" not in svg


@pytest.mark.parametrize(
    "unit", ["per 1,000", "more patients who called the results excellent or very good, per 1,000 patients"]
)
def test_a_unit_of_several_lines_pushes_the_legend_down(unit):
    figure = curve(unit_text=unit)
    for svg in (figure.svg, figure.svg_narrow):
        heights = {}
        for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
            said, at = (
                "".join(text.itertext()),
                re.search(r"translate\([\d.]+ ([\d.]+)\)", text.get("transform", "")),
            )
            heights[said] = float(at.group(1) if at else text.get("y"))
        last = max(height for said, height in heights.items() if len(said) > 5 and said in unit)
        assert min(height for said, height in heights.items() if said.startswith("●")) >= last + 12


def test_the_curve_says_in_words_what_it_shows():
    figure = curve()
    assert "30 specifications" in figure.description
    assert "20 lie below no difference and 9 above it; the interval of 17 excludes it" in figure.description
    table = figure.frame.set_index(["choice", "option"])
    assert table.loc[("how", "a"), "specifications"] == 10
    assert table.loc[("who", "these"), "mean"] == pytest.approx(
        specifications().query("who == 'these'")["estimate"].mean()
    )
    assert "years" not in set(figure.frame["choice"])


@pytest.mark.parametrize(
    ("frame", "changes", "message"),
    [
        (specifications().drop(columns="who"), {}, "no column 'who'"),
        (specifications().assign(how="d"), {}, "choice 'how' has no option 'd'"),
        (specifications().assign(lower=np.nan), {}, "expected a finite number"),
        (specifications().iloc[:0], {}, "no rows"),
    ],
)
def test_what_the_curve_refuses(frame, changes, message):
    with pytest.raises(InputError, match=message):
        curve(frame, **changes)


def surface():
    rng = np.random.default_rng(0)
    risk = risks([p + 0.003 * rng.standard_normal(300) for p in (0.06, 0.07)], ("s", "g"))
    return unmeasured_severity.fit(risk, specialist="s", reference="g", steps=11).surface


def test_the_tipping_figure_is_drawn_with_and_without_benchmarks():
    marks = pd.DataFrame({"label": ["old", "<b>"], "risk_ratio": [1.4, 1.2], "imbalance": [0.05, -0.02]})
    for benchmarks in (None, marks, marks.iloc[:0]):
        figure = figures.tipping_point(surface(), id="tip", benchmarks=benchmarks, **WORDS)
        ElementTree.fromstring(figure.svg)
        ElementTree.fromstring(figure.svg_narrow)
    figure = figures.tipping_point(surface(), id="tip", benchmarks=marks, **WORDS)
    assert "the one that could do most is old: 1.40 times the risk, 5.0 in 100" in figure.description


def test_the_tipping_figure_needs_a_grid():
    with pytest.raises(InputError, match="no grid"):
        figures.tipping_point(surface().iloc[1:], id="tip", **WORDS)


@pytest.mark.parametrize(
    ("imbalance", "said"),
    [
        (
            0.123,
            "About 12 more such patients in a hundred at the specialist units would be enough for the end",
        ),
        (-0.05, "About 5 fewer such patients in a hundred"),
        (0.004, "Less than one such patient in a hundred more"),
        (float("nan"), "No number of such patients would be enough for the end"),
    ],
)
def test_patients_needed_in_words(imbalance, said):
    assert suppositions.patients_needed(imbalance, consequence="the end", **LEDGER).text.startswith(said)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (
            1.259,
            "Odds 25 per cent higher among patients who did not answer, there, would be enough",
        ),
        (0.5, "Odds 50 per cent lower among patients who did not answer, there"),
        (1.001, "Odds less than one per cent higher among patients who did not answer, there"),
        (float("nan"), "No plausible odds of patients who did not answer, there, would be enough"),
    ],
)
def test_odds_needed_in_words(ratio, said):
    made = suppositions.odds_needed(ratio, consequence="the end", where="there", **LEDGER)
    assert made.text.startswith(said)


def test_what_suppositions_refuse():
    with pytest.raises(InputError, match="expected a difference of two shares"):
        suppositions.patients_needed(12.0, consequence="the end", **LEDGER)
    with pytest.raises(InputError, match="expected a ratio of odds above 0"):
        suppositions.odds_needed(-0.2, consequence="the end", where="there", **LEDGER)
