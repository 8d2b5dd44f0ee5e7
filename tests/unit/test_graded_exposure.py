"""Which studies have levels in order, which way their trend goes, and how it is told."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import graded
from soa_evidence.synthesis import graded_exposure
from soa_evidence.synthesis.evidence_rules import NOT_CODED

BANDS = ["hospital <=9/y", "hospital 10-19/y", "hospital 20-29/y"]
REACH = 1.959963984540054


def register(levels=BANDS, reference="hospital volume >=30/y", effects=None, error=0.05, **changes):
    """Made-up results of one study: exactly 1.1 for each step less concentrated."""
    effects = np.array([1.1**3, 1.1**2, 1.1] if effects is None else effects, dtype=float)
    return pd.DataFrame(
        {
            "result_id": [f"X-{at}" for at in range(len(levels))],
            "study_id": "made-up-2000",
            "label": "Made up 2000",
            "outcome": "revision",
            "joint": "knee",
            "follow_up": "2 years",
            "measure": "OR",
            "direction": "above 1 means worse where care is less concentrated",
            "compared": [f"{level} v {reference}" for level in levels],
            "effect": effects,
            "effect_lower": effects * np.exp(-REACH * error),
            "effect_upper": effects * np.exp(REACH * error),
            "level": 0.95,
            "poolable": True,
            "not_poolable_because": None,
            "inconsistent": False,
            "primary_study": True,
        }
        | changes
    )


def step(results):
    (one,) = graded_exposure.fit(results).trends
    return one


def test_an_exact_trend_comes_back_under_every_correlation():
    one = step(register())
    np.testing.assert_allclose(one.sensitivity["estimate"], 1.1, rtol=1e-12)
    np.testing.assert_allclose(one.sensitivity["p_even"], 1.0, atol=1e-9)
    assert list(one.levels["steps"]) == [0, 1, 2, 3]
    assert one.reference == "hospital volume >=30/y"


def test_the_reference_may_be_the_least_concentrated_or_in_the_middle():
    """Effects are coded less against more whatever the reference: the same truth gives the same step."""
    lowest = register(
        ["hospital >=30/y", "hospital 20-29/y", "hospital 10-19/y"], "hospital <=9/y", [1.1**3, 1.1**2, 1.1]
    )
    middle = register(
        ["hospital >=30/y", "hospital 10-19/y", "hospital <=9/y"], "hospital 20-29/y", [1.1, 1.1, 1.1**2]
    )
    for results in (lowest, middle):
        np.testing.assert_allclose(step(results).sensitivity["estimate"], 1.1, rtol=1e-12)


def test_fifths_are_ordered_by_name_and_sizes_are_no_part_of_it():
    levels = ["second fifth", "lowest fifth of orthopaedic specialisation", "fourth fifth", "third fifth"]
    one = step(
        register(levels, "most specialised fifth of hospitals (n=452,051)", 1.1 ** np.array([3, 4, 1, 2]))
    )
    np.testing.assert_allclose(one.sensitivity["estimate"], 1.1, rtol=1e-12)
    assert one.reference == "most specialised fifth of hospitals"


def test_order_of_rows_does_not_matter():
    results = register(effects=[1.5, 1.1, 1.2])
    pd.testing.assert_frame_equal(step(results).sensitivity, step(results.iloc[::-1]).sensitivity)


LEFT = {
    "a gap": (register([BANDS[0], BANDS[2], "hospital 30-39/y"], "hospital >=40/y"), "do not adjoin"),
    "bands that overlap": (register([BANDS[0], "hospital 5-19/y", BANDS[2]]), "do not adjoin"),
    "three levels": (register(BANDS[1:], effects=[1.2, 1.1]), "3 levels; a trend needs at least 4"),
    "no order": (register(["central hospitals", "university hospitals"], "local hospitals", [1.2, 0.8]),
                 "'central hospitals' cannot be put in an order"),
    "two kinds": (register([*BANDS[:2], "surgeon 20-29/y"]), "not of one kind"),
    "contradiction": (register(inconsistent=True, not_poolable_because="limits do not hold the ratio"),
                      "limits do not hold the ratio"),
    "flag alone": (register(inconsistent=True), "inconsistent in its source"),
    "no interval": (register(effect_lower=np.nan), "has no interval"),
    "no direction": (register(direction=NOT_CODED), "direction is not known"),
    "a review": (register(primary_study=False), "pools studies of the register"),
}  # fmt: skip


@pytest.mark.parametrize(("results", "reason"), LEFT.values(), ids=LEFT)
def test_levels_that_give_no_trend_are_left_out_with_the_reason(results, reason):
    found = graded_exposure.fit(results)
    assert found.trends == ()
    assert reason in found.left_out["reason"].item()
    assert reason in found.table()["levels"].item()


def test_one_comparison_is_no_graded_exposure():
    found = graded_exposure.fit(register(BANDS[:1], effects=[1.2]))
    assert (len(found.trends), len(found.left_out)) == (0, 0)
    assert found.table()["levels"].tolist() == ["no study here compares several levels with one reference"]
    assert "cannot be told here" in graded.limits(found.trends).text


def test_an_empty_register_is_said_and_does_not_fail():
    found = graded_exposure.fit(register().iloc[:0])
    assert len(found.table()) == 1


def test_a_slope_that_a_source_printed_is_shown_and_not_fitted():
    found = graded_exposure.fit(register(["per additional 50 TKA/y (hospital)"], "reference volume", [1.1]))
    assert found.trends == ()
    assert found.table()["estimate"].item() == pytest.approx(1.1)
    assert "its own slope" in found.table()["levels"].item()


BAD = {
    "a column is gone": (register().drop(columns="effect"), {}, "effect"),
    "twice": (pd.concat([register(), register()]), {}, "Result 'X-0' is there twice"),
    "without the stated correlation": (register(), {"correlations": (0.0, 0.3)}, "without 0.5"),
}


@pytest.mark.parametrize(("results", "options", "said"), BAD.values(), ids=BAD)
def test_bad_input_is_told(results, options, said):
    with pytest.raises(InputError, match=said):
        graded_exposure.fit(results, **options)


def test_uneven_steps_warn():
    even, uneven = (graded_exposure.fit(register(effects=e)).checks[1] for e in (None, [1.5, 1.1, 1.4]))
    assert (even.verdict, uneven.verdict) == ("pass", "warn")


def test_the_sentence_follows_the_figures():
    told = graded.claim(step(register()), evidence=["toy"])
    assert "1.100 (" in told.text
    assert "times the odds of revision" in told.text
    assert "With correlations from 0 to 0.7" in told.text
    assert "direction does not hang on that" in told.text
    assert "do not tell against even steps" in told.text
    wide = graded.claim(step(register(error=0.5)), evidence=["toy"])
    assert "no trend at all is within them" in wide.text
    turned = graded.claim(step(register(effects=[0.6, 0.7, 0.8])), evidence=["toy"])
    assert "better where care is less concentrated" in turned.text
    uneven = graded.claim(step(register(effects=[1.9, 1.1, 1.6], measure="HR")), evidence=["toy"])
    assert "The steps are not even, whatever is assumed" in uneven.text
    assert "times the hazard of revision" in uneven.text


def test_every_figure_of_the_sentence_has_its_record():
    told = graded.claim(step(register()), evidence=["toy"])
    ledger = graded.numbers(step(register()), evidence=["toy"])
    assert set(told.numbers) == set(ledger)
    for entry in ledger.values():
        assert "rows X-2, X-1, X-0" in entry.population
        assert entry.lower < entry.estimate < entry.upper


def test_the_picture_shows_levels_and_the_step_under_each_correlation_at_both_widths():
    shown = graded.picture(step(register()), evidence=["toy"])
    assert len(shown.frame) == 3 + 4
    assert "the reference (hospital volume ≥30/y)" in shown.subtitle
    for drawn in (shown.svg, shown.svg_narrow):
        assert "Hospital 10-19/y" in drawn
        assert "Step, correlation 0.7" in drawn


def test_the_picture_has_one_direction_whatever_the_reference():
    levels = ["hospital >=30/y", "hospital 20-29/y", "hospital 10-19/y"]
    results = register(levels, "hospital <=9/y", [1.1**3, 1.1**2, 1.1])
    shown = graded.picture(step(results), evidence=["toy"])
    np.testing.assert_allclose(shown.frame["estimate"], [1.1**3, 1.1**2, 1.1, 1.1, 1.1, 1.1, 1.1], rtol=1e-12)
