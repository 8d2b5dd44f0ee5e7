"""Figures of economics: what they say to those who cannot see them, and what they refuse."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import acceptability, ce_plane, tornado

SAID = {"id": "it", "title": "A finding", "subtitle": "A statistic"}


def draws(n=20):
    return pd.DataFrame({"extra_effect": np.linspace(-0.01, 0.03, n), "extra_cost": np.linspace(100, 300, n)})


def curves(**changes):
    rows = {
        "threshold": [0, 20000] * 2,
        "strategy": ["a", "a", "b", "b"],
        "probability": [1, 0.25, 0, 0.75],
        "on_frontier": [True, False, False, True],
    }
    return pd.DataFrame({**rows, **changes})


def bars(**changes):
    rows = {
        "label": ["small", "large"],
        "kind": ["measured", "assumed"],
        "at_low": [-1.0, -50.0],
        "at_high": [1.0, 90.0],
        "centre": [0.0, 0.0],
    }
    return pd.DataFrame({**rows, **changes})


def test_the_plane_says_how_many_draws_are_worth_it():
    figure = ce_plane(draws(), threshold=20000, **SAID)
    worth = np.mean(20000 * draws()["extra_effect"] >= draws()["extra_cost"])
    assert f"{worth:.0%} of draws are worth their cost" in figure.description
    assert "20 draws" in figure.description
    assert set(figure.frame["statistic"]) >= {"mean", "2.5%", "97.5%"}
    assert figure.svg.startswith("<svg")


def test_acceptability_names_every_strategy_at_its_ends():
    figure = acceptability(curves(), at=20000, **SAID)
    assert "a: 100% at £0, 25% at £20,000" in figure.description
    assert len(figure.frame) == 4


def test_a_tornado_is_in_order_and_says_the_kind_of_number():
    figure = tornado(bars(), unit_text="pounds", **SAID)
    assert figure.frame["label"].tolist() == ["large", "small"]
    assert "large (assumed): −50 to 90" in figure.description


def test_an_interval_is_written_as_wide_as_it_is():
    assert formats.interval(44.2, 37.1, 52.9) == "44 (37 to 53)"
    assert formats.interval(550.0, 550.0, 550.0) == "550"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ce_plane(draws(1), threshold=1, **SAID), "at least two draws"),
        (lambda: ce_plane(draws(), threshold=0, **SAID), "expected GBP per QALY, above 0"),
        (lambda: ce_plane(draws().drop(columns="extra_cost"), threshold=1, **SAID), "no column 'extra_cost'"),
        (lambda: acceptability(curves(probability=[2, 0, 0, 0]), **SAID), "outside 0 to 1"),
        (lambda: acceptability(curves().drop(columns="strategy"), **SAID), "no column 'strategy'"),
        (
            lambda: acceptability(pd.concat([curves(strategy=list(s * 4)) for s in "abcde"]), **SAID),
            "at most 4",
        ),
        (lambda: tornado(bars(kind="guessed"), unit_text="x", **SAID), "every input needs a kind"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()
