"""Which results answer a question: every reason to leave one out, every reason to refuse."""

import math

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.synthesis import evidence_answer, evidence_sets

WORSE = "above 1 (a difference: above 0) means worse where care is less concentrated"


def result(name, **change):
    row = dict.fromkeys(evidence_sets.NEEDED)
    row |= {
        "result_id": name,
        "study_id": f"study-{name}",
        "label": f"Study {name}",
        "compared": f"few of {name} v many",
        "outcome": "revision",
        "joint": "knee",
        "contrast": "volume",
        "measure": "OR",
        "direction": WORSE,
        "effect": 1.5,
        "effect_lower": 1.2,
        "effect_upper": 1.875,
        "level": 0.95,
        "main_contrast": True,
        "poolable": True,
        "inconsistent": False,
        "primary_study": True,
        "registry": f"registry-{name}",
        "period_start": 2001.0,
        "period_end": 2005.0,
        "reading_in_words": None,
        "caution": None,
    }
    return row | change


def register(*rows):
    return pd.DataFrame(rows)


ASKED = {"outcome": "revision", "joints": ["knee"], "contrasts": ["volume"], "measure": "RATIO"}
COUNTS = {
    "effect": None,
    "effect_lower": None,
    "effect_upper": None,
    "level": None,
    "events_less": 6.0,
    "n_less": 215.0,
    "events_more": 3.0,
    "n_more": 215.0,
}
MEANS = {
    "effect": None,
    "effect_lower": None,
    "effect_upper": None,
    "level": None,
    "measure": "MD",
    "mean_less": 4.0,
    "sd_less": 1.0,
    "n_less": 100.0,
    "mean_more": 3.0,
    "sd_more": 1.0,
    "n_more": 100.0,
}


def test_a_printed_ratio_and_counts_come_to_one_scale():
    found = evidence_sets.fit(
        register(result("a"), result("b", **COUNTS)), **{**ASKED, "measure": "OR"}
    ).included
    assert list(found["result_id"]) == ["a", "b"]
    # (log 1.875 - log 1.2) / (2 * 1.96), and log of (6/209)/(3/212)
    assert found["std_error"].iloc[0] == pytest.approx(math.log(1.875 / 1.2) / (2 * 1.959963984540054))
    assert found["estimate"].iloc[1] == pytest.approx(math.log(6 * 212 / (209 * 3)))
    assert found["events"].iloc[1] == 9


def test_an_interval_of_99_per_cent_is_narrower_than_one_of_95():
    usual, wide = register(result("a")), register(result("a", level=0.99))
    ratio = (
        evidence_sets.fit(usual, **ASKED).included["std_error"]
        / evidence_sets.fit(wide, **ASKED).included["std_error"]
    )
    assert ratio.iloc[0] == pytest.approx(2.5758293035489004 / 1.959963984540054)


def test_means_give_a_difference_less_minus_more():
    found = evidence_sets.fit(register(result("a", **MEANS)), **{**ASKED, "measure": "MD"})
    assert found.included["estimate"].iloc[0] == 1.0
    assert found.included["std_error"].iloc[0] == pytest.approx(math.sqrt(2 / 100))
    assert not found.ratio


LEFT_OUT = {
    "inconsistent": (
        {"inconsistent": True, "inconsistency": "rates and ratio disagree"},
        "inconsistent in its source: rates",
    ),
    "not poolable": ({"poolable": False, "not_poolable_because": "no interval"}, "no interval"),
    "no direction": ({"direction": "not coded"}, "direction is not known"),
    "a review": ({"primary_study": False}, "pools studies of the register"),
    "other follow-up": ({"follow_up": "5 years"}, "follow-up 5 years, not 2 years"),
    "no follow-up told": ({"follow_up": None}, "follow-up not stated, not 2 years"),
    "no standard error": ({"effect_lower": None}, "no standard error"),
    "another measure": (MEANS, "gives no RATIO"),
    "another band": ({"main_contrast": False}, "another band"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_a_result_is_left_out_with_its_reason(case):
    change, why = LEFT_OUT[case]
    base = {"follow_up": "2 years"}
    found = evidence_sets.fit(
        register(result("a", **base), result("b", **{**base, **change})), **ASKED, follow_up="2 years"
    )
    assert list(found.included["result_id"]) == ["a"]
    assert why in found.excluded["reason"].iloc[0]
    assert "1 used, 1 left out" in found.checks[0].observed


OVERLAP = {
    "same years": ({}, True),
    "years that meet": ({"period_start": 2005.0, "period_end": 2009.0}, True),
    "years apart": ({"period_start": 2006.0, "period_end": 2009.0}, False),
    "years unknown": ({"period_start": None, "period_end": None}, True),
    "other operation": ({"joint": "hip"}, False),
    "operation within": ({"joint": "hip and knee"}, True),
    "other registry": ({"registry": "elsewhere"}, False),
}


@pytest.mark.parametrize("case", OVERLAP)
def test_results_that_may_share_patients_are_not_pooled_together(case):
    change, shared = OVERLAP[case]
    rows = register(result("a", registry="one"), result("b", **{"registry": "one", **change}))
    found = evidence_sets.fit(rows, **{**ASKED, "joints": sorted(set(rows["joint"]))})
    assert len(found) == (1 if shared else 2)
    if shared:
        assert "may hold the same patients as" in found.excluded["reason"].iloc[0]
    assert len(evidence_sets.fit(rows, **{**ASKED, "joints": sorted(set(rows["joint"]))}, pool=False)) == 2


def test_the_latest_of_overlapping_results_is_kept():
    late = {"registry": "one", "period_end": 2015.0}
    found = evidence_sets.fit(register(result("a", registry="one"), result("b", **late)), **ASKED)
    assert list(found.included["result_id"]) == ["b"]


def test_mixed_measures_need_a_reason():
    mixed = register(result("a"), result("b", measure="HR"))
    with pytest.raises(InputError, match="Mixed measures: OR in Study a, HR in Study b"):
        evidence_sets.fit(mixed, **ASKED)
    found = evidence_sets.fit(mixed, **ASKED, alike=["OR", "HR"], alike_because="revision is rare")
    assert len(found) == 2
    assert found.checks[1].verdict == "warn"
    with pytest.raises(InputError, match="declared alike without a reason"):
        evidence_sets.fit(mixed, **ASKED, alike=["OR", "HR"])
    assert len(evidence_sets.fit(mixed, **ASKED, pool=False)) == 2


def test_two_directions_are_always_refused():
    rows = register(result("a"), result("b", direction="above 1 means better"))
    for pool in (True, False):
        with pytest.raises(InputError, match="Mixed directions: Study a is coded"):
            evidence_sets.fit(rows, **ASKED, pool=pool)


BAD = {
    "a missing column": (register(result("a")).drop(columns="registry"), {}, "no column 'registry'"),
    "an unknown outcome": (
        register(result("a")),
        {"outcome": "revisions"},
        "no outcome 'revisions'. Did you mean 'revision'",
    ),
    "an unknown joint": (register(result("a")), {"joints": ["knees"]}, "no joint 'knees'"),
    "no joint": (register(result("a")), {"joints": []}, "No joint was named"),
    "an unknown contrast": (register(result("a")), {"contrasts": ["volumes"]}, "no contrast 'volumes'"),
    "an unknown measure": (register(result("a")), {"measure": "ODDS"}, "measure is 'ODDS'"),
    "a result twice": (register(result("a"), result("a")), {}, "Result 'a' is there twice"),
    "limits that do not enclose": (register(result("a", effect=2.0)), {}, "do not enclose the effect 2"),
    "a ratio of nought": (register(result("a", effect=0.0, effect_lower=0.0)), {}, "a ratio is above 0"),
    "more events than patients": (
        register(result("a", **{**COUNTS, "events_less": 300.0})),
        {"measure": "OR"},
        "events cannot exceed",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_registers_are_refused(case):
    frame, change, says = BAD[case]
    with pytest.raises(InputError, match=says):
        evidence_sets.fit(frame, **{**ASKED, **change})


def test_order_of_rows_does_not_matter():
    rows = register(*(result(name) for name in "abcd"))
    first = evidence_sets.fit(rows, **ASKED).included
    for seed in range(3):
        other = evidence_sets.fit(rows.sample(frac=1, random_state=seed), **ASKED).included
        pd.testing.assert_frame_equal(first, other)


def test_readings():
    rows = register(
        result("a"), result("b", effect_lower=0.9), result("c", effect=0.5, effect_lower=0.4,
             effect_upper=0.9),
        result("d", inconsistent=True), result("e", effect=None, direction="not coded"),
        result("f", effect_lower=None, reading_in_words="against"), result("g", primary_study=False,
             poolable=False),
        result("h", **MEANS),
    )  # fmt: skip
    found = evidence_sets.readings(rows).set_index("result_id")
    expected = dict(
        zip(
            "abcdefgh",
            ["for", "neither", "against", "not used", "not used", "against", "for", "for"],
            strict=True,
        )
    )
    assert found["reading"].to_dict() == expected
    assert np.isnan(found.loc["d", "estimate"])
    assert found.loc["h", "estimate"] == 1.0


# ---- answers -----------------------------------------------------------------------------------------------
def answer(*rows, **change):
    found = evidence_sets.fit(register(*rows), **{**ASKED, **change})
    return evidence_answer.fit(found, estimand="log odds ratio of revision", unit="log odds ratio")


def test_one_result_stands_as_it_is():
    alone = answer(result("a"))
    assert alone.posterior is None
    assert alone.above_none() is None
    assert alone.ways["way"].tolist() == ["the one result"]
    assert alone.estimate.table()["estimate"].iloc[0] == pytest.approx(math.log(1.5))


def test_two_results_are_pooled_by_both_schools():
    both = answer(result("a"), result("b", effect=1.2, effect_lower=0.96, effect_upper=1.5))
    assert 0.5 < both.above_none() < 1
    assert {"average, Bayesian", "average, Hartung–Knapp", "new study, by z"} <= set(both.ways["way"])
    assert both.interval == tuple(both.ways[["lower", "upper"]].iloc[0])
    assert sum(both.weights().values()) == pytest.approx(1)


def test_risk_at_a_baseline():
    found = answer(result("a"), result("b"))
    extra = evidence_answer.absolute(found, baseline_per_1000=100)
    # odds 0.1/0.9 times 1.5 is a risk of 142.9 per 1,000
    assert extra.table()["estimate"].iloc[0] == pytest.approx(1000 * (1.5 / 9) / (1 + 1.5 / 9) - 100, abs=1.5)


BAD_ANSWERS = {
    "nothing left": (
        lambda: answer(result("a", poolable=False, not_poolable_because="x")),
        "No result is left",
    ),
    "shown, not pooled": (lambda: answer(result("a"), result("b"), pool=False), "shown side by side"),
    "a risk of nought": (
        lambda: evidence_answer.absolute(answer(result("a")), baseline_per_1000=0),
        "above 0 and below",
    ),
    "a risk above all": (
        lambda: evidence_answer.absolute(answer(result("a")), baseline_per_1000=1000),
        "below 1000",
    ),
    "a difference": (
        lambda: evidence_answer.absolute(answer(result("a", **MEANS), measure="MD"), baseline_per_1000=5),
        "is a difference already",
    ),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_what_cannot_be_answered_is_refused(case):
    ask, says = BAD_ANSWERS[case]
    with pytest.raises(InputError, match=says):
        ask()
