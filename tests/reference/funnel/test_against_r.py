import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.units import false_discovery, funnel

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
CASES = EXPECTED["cases"]
CLOSED_FORM = 1e-9
DISTRIBUTION = 1e-8  # quantiles of R and scipy: two implementations of the same distribution functions


@pytest.fixture(scope="module")
def units():
    return pd.DataFrame(EXPECTED["units"]).rename_axis("unit").reset_index()


def limits_of(result):
    names = ("lower_95", "upper_95", "lower_99_8", "upper_99_8")
    return [result.units[name].to_numpy() for name in names]


@pytest.mark.parametrize(
    ("limits", "tolerance"), [("exact", DISTRIBUTION), ("normal", CLOSED_FORM), ("wilson", CLOSED_FORM)]
)
def test_limits_of_a_proportion(units, limits, tolerance):
    result = funnel.fit(
        units, unit="unit", kind="proportion", events="events_proportion", size="size", limits=limits
    )
    for ours, theirs in zip(limits_of(result), CASES[f"proportion_{limits}"], strict=True):
        assert ours == pytest.approx(np.array(theirs), abs=tolerance)


def test_wilson_limits_are_the_score_interval_of_prop_test():
    two = pd.DataFrame({"unit": ["a", "b"], "events": [12, 12], "size": [200, 200]})
    result = funnel.fit(two, unit="unit", kind="proportion", events="events", size="size", limits="wilson")
    assert [v[0] for v in limits_of(result)[:2]] == pytest.approx(CASES["wilson_of_prop_test"], abs=1e-9)


def test_exact_limits_of_a_ratio(units):
    result = funnel.fit(units, unit="unit", kind="ratio", events="events_ratio", size="expected", reference=1)
    for ours, theirs in zip(limits_of(result), CASES["ratio_exact"], strict=True):
        assert ours == pytest.approx(np.array(theirs), abs=DISTRIBUTION)


@pytest.mark.parametrize(
    ("case", "more"),
    [
        ("arcsine_winsorised", {"kind": "proportion", "events": "events_proportion", "size": "size"}),
        ("sqrt_winsorised", {"kind": "ratio", "events": "events_ratio", "size": "expected", "reference": 1}),
        (
            "log_truncated",
            {"kind": "ratio", "events": "events_ratio", "size": "expected", "reference": 1, "scale": "log",
             "outer": "truncate"},
        ),
    ],
)  # fmt: skip
def test_dispersion(units, case, more):
    some = units[units["events_ratio"] > 0] if case.startswith("log") else units
    found = funnel.fit(some, unit="unit", **more).dispersion
    assert found.phi == pytest.approx(CASES[case]["phi"], rel=CLOSED_FORM)
    assert found.tau == pytest.approx(CASES[case]["tau"], rel=CLOSED_FORM)
    assert found.kept == CASES[case]["kept"]


def test_p_and_q_values(units):
    result = funnel.fit(units, unit="unit", kind="proportion", events="events_proportion", size="size")
    assert result.units["p_value"].to_numpy() == pytest.approx(np.array(CASES["mid_p"]), rel=DISTRIBUTION)
    for method, case in (("benjamini_hochberg", "bh"), ("benjamini_yekutieli", "by")):
        found = false_discovery.fit(result.units, method=method).table["q_value"].to_numpy()
        assert found == pytest.approx(np.array(CASES[case]), rel=DISTRIBUTION)
