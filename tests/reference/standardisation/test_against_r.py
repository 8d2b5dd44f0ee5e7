import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.units import direct_standardisation, indirect_standardisation

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
CLOSE = 1e-9
#: Gamma limits of birth order 5+, per 100,000, as the vignette of CRAN's dsrTest 1.0.0 prints them.
PUBLISHED = {"rate": 75.52901, "lower": 67.70212, "upper": 188.30017}


@pytest.fixture(scope="module")
def downs():
    data = EXPECTED["downs"]
    rows = [
        (order, age, data["cases"][i][j], data["births"][i][j])
        for i, order in enumerate(data["order"])
        for j, age in enumerate(data["age"])
    ]
    return pd.DataFrame(rows, columns=["order", "age", "cases", "births"])


def direct(frame, **more):
    given = {"unit": "order", "stratum": "age", "events": "cases", "size": "births", "kind": "rate"}
    return direct_standardisation.fit(frame, **{**given, **more}).table.set_index("unit")


@pytest.mark.parametrize("interval", ["fay_feuer", "tiwari", "dobson", "byar", "normal"])
@pytest.mark.parametrize(("level", "case"), [(0.95, "direct_95"), (0.998, "direct_998")])
def test_direct_limits(downs, interval, level, case):
    found = direct(downs, interval=interval, level=level)
    for order, theirs in EXPECTED[case].items():
        row = found.loc[order]
        assert row["rate"] == pytest.approx(theirs["rate"], rel=CLOSE)
        assert row["std_error"] == pytest.approx(theirs["std_error"], rel=CLOSE)
        # R's limits are not cut at 0.
        limits = np.maximum(theirs[interval], 0)
        assert [row["lower"], row["upper"]] == pytest.approx(list(limits), rel=CLOSE)


def test_direct_proportions_have_the_binomial_error(downs):
    found = direct(downs, interval="normal", kind="proportion")
    for order, theirs in EXPECTED["direct_95"].items():
        row, theirs = found.loc[order], theirs["proportion"]
        assert row["std_error"] == pytest.approx(theirs["std_error"], rel=CLOSE)
        assert [row["lower"], row["upper"]] == pytest.approx(list(np.maximum(theirs["normal"], 0)), rel=CLOSE)


def test_direct_equals_epitools(downs):
    found = direct(downs)
    for order, theirs in EXPECTED["epitools_direct"].items():
        row = found.loc[order, ["crude", "rate", "lower", "upper"]].to_numpy(float)
        names = ("crude.rate", "adj.rate", "lci", "uci")
        assert row == pytest.approx([theirs[name] for name in names], rel=CLOSE)


def test_direct_equals_the_published_example(downs):
    row = direct(downs, per=100_000).loc["5+"]
    assert {name: round(row[name], 5) for name in PUBLISHED} == PUBLISHED


@pytest.fixture(scope="module")
def nation():
    data = EXPECTED["selvin"]
    return pd.DataFrame(
        {
            "year": 1940,
            "age": range(11),
            "deaths": data["deaths40"],
            "people": data["people40"],
            "in_1960": data["people60"],
            "rate_1960": np.divide(data["deaths60"], data["people60"]),
        }
    )


def test_a_nation_standardised_to_a_later_one(nation):
    given = {"unit": "year", "stratum": "age", "events": "deaths", "size": "people"}
    row = direct_standardisation.fit(nation, **given, kind="rate", standard="in_1960").table.iloc[0]
    theirs = EXPECTED["selvin_direct"]
    assert row[["rate", "lower", "upper"]].to_numpy(float) == pytest.approx(
        [theirs["adj.rate"], theirs["lci"], theirs["uci"]], rel=CLOSE
    )
    row = indirect_standardisation.fit(nation, **given, reference="rate_1960").table.iloc[0]
    theirs = EXPECTED["selvin_indirect"]["sir"]
    assert row[["observed", "expected", "ratio"]].to_numpy(float) == pytest.approx(
        [theirs["observed"], theirs["exp"], theirs["sir"]], rel=CLOSE
    )
    # epitools has limits of the log ratio; with tens of thousands of deaths they nearly equal the exact ones.
    assert row[["lower", "upper"]].to_numpy(float) == pytest.approx([theirs["lci"], theirs["uci"]], rel=1e-4)


@pytest.mark.parametrize(("level", "suffix"), [(0.95, ""), (0.998, "_998")])
@pytest.mark.parametrize(("interval", "case"), [("exact", "garwood"), ("byar", "byar")])
def test_limits_of_a_ratio(interval, case, level, suffix):
    counts = EXPECTED["counts"]
    frame = pd.DataFrame({"unit": [f"{i}" for i in range(len(counts))], "deaths": counts, "expected": 2.0})
    found = indirect_standardisation.fit(
        frame, unit="unit", events="deaths", expected="expected", interval=interval, level=level
    ).table
    theirs = np.array(EXPECTED[case + suffix]) / 2
    assert found["lower"].to_numpy() == pytest.approx(np.maximum(theirs[:, 0], 0), rel=CLOSE)
    assert found["upper"].to_numpy() == pytest.approx(theirs[:, 1], rel=CLOSE)
