"""Figures of volume and spread: what they show, what they say, what they refuse."""

import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures

CURVE = pd.DataFrame(
    {
        "volume": [10.0, 30, 100],
        "estimate": [90.0, 100, 110],
        "lower": [80.0, 92, 95],
        "upper": [101.0, 109, 126],
    }
)
UNITS = pd.DataFrame(
    {"volume": [8.0, 40, 120, 9], "estimate": [0.0, 105, 112, 1000], "size": [4, 60, 200, 1]}
)
SERIES = pd.DataFrame(
    {
        "label": ["2011", "2012"] * 2, "group": ["a", "a", "b", "b"], "estimate": [1.1, 1.0, 1.2, 0.9],
        "lower": [1.0, 0.9, 1.0, 0.7], "upper": [1.2, 1.1, 1.4, 1.1],
    }
)  # fmt: skip
CHANCES = pd.DataFrame({"label": ["none", "straight"], "probability": [0.25, 0.75], "prior": [0.5, 0.5]})
WORDS = {"id": "one", "title": "A finding", "subtitle": "What it is"}
AXES = {"volume_text": "operations a year", "unit_text": "events per 1,000"}
PLACES = {"axis_text": "year", "unit_text": "points"}


def curve(frame=CURVE, units=UNITS, **more):
    return figures.volume_curve(frame, units, **AXES, **WORDS, **more)


def test_the_curve_says_what_it_shows():
    shown = curve(cut=30.0, cut_label="asked about")
    assert "10: 90 (80 to 101)" in shown.description
    assert "4 units, 1 of them with a rate above the axis" in shown.description
    assert shown.frame["volume"].tolist() == [10, 30, 100]
    assert "asked about" in shown.svg
    assert shown.svg_narrow != shown.svg


def test_series_say_every_value():
    shown = figures.interval_series(
        SERIES, **PLACES, **WORDS, reference=1.0, reference_label="as before", zero=True
    )
    assert "a: 2011: 1.10 (1.00 to 1.20)" in shown.description
    assert "b: 2011: 1.20 (1.00 to 1.40)" in shown.description
    assert "as before" in shown.svg
    assert len(shown.frame) == 4


def test_bars_say_every_probability_and_what_was_believed_before():
    shown = figures.probability_bars(CHANCES, **WORDS)
    assert "none: 25% (before the data 50%)" in shown.description
    alone = figures.probability_bars(CHANCES.drop(columns="prior"), **WORDS)
    assert "before" not in alone.description


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: curve(CURVE.iloc[:1]), "a curve needs at least two volumes"),
        (lambda: curve(units=UNITS.assign(volume=0)), "a logarithmic axis needs volumes above 0"),
        (lambda: curve(CURVE.drop(columns="upper")), "has no column 'upper'"),
        (lambda: curve(units=UNITS.assign(size=float("nan"))), "expected a finite number"),
        (
            lambda: figures.interval_series(pd.concat([SERIES, SERIES]), **PLACES, **WORDS),
            "'a' has two values at '2011'",
        ),
        (
            lambda: figures.interval_series(
                pd.concat([SERIES.assign(group=f"g{k}") for k in range(5)]), **PLACES, **WORDS
            ),
            "5 series; at most 4 can be told apart",
        ),
        (
            lambda: figures.probability_bars(CHANCES.assign(probability=1.5), **WORDS),
            "a probability lies outside",
        ),
        (
            lambda: figures.probability_bars(CHANCES.assign(prior=-0.5), **WORDS),
            "a prior lies outside 0 to 1",
        ),
        (lambda: figures.probability_bars(CHANCES.iloc[:0], **WORDS), "has no rows"),
    ],
)
def test_what_cannot_be_drawn_is_told(draw, message):
    with pytest.raises(InputError) as told:
        draw()
    assert message in str(told.value)
