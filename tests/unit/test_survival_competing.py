"""Fine–Gray and cause-specific regression: arithmetic, derivatives, hostile data, and every complaint."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.results import combine_verdicts
from soa_evidence.survival import cause_specific, cox, cumulative_incidence, fine_gray
from soa_evidence.survival import censoring as censorings
from soa_evidence.survival.records import prepare

FG = {"time": "time", "event": "event", "covariates": ["x"]}
PROFILES = pd.DataFrame({"x": [0.0, 1.0], "z": [0.5, -0.5]}, index=["low", "high"])


def people(seed=4, n=60, **more):
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 15, n)
    return pd.DataFrame(
        {
            "time": time,
            "entry": np.floor(rng.random(n) * time * 0.8 * (rng.random(n) < 0.5)),
            "event": rng.integers(0, 3, n),
            "x": rng.normal(size=n).round(1),
            "z": rng.normal(size=n),
            "stratum": rng.choice(["north", "south"], n),
            "unit": rng.integers(0, 12, n),
            "w": rng.uniform(0.5, 2, n),
            **more,
        }
    )


# ---- arithmetic ----


def test_chance_of_observation_by_hand():
    frame = pd.DataFrame({"time": [1, 2, 2, 3, 4], "event": [0, 1, 0, 2, 0]})
    records = prepare(frame, time="time", event="event", competing=True)
    keys = np.arange(1, 6)
    # Censored: 1 of 5 at 1; at 2, with the one with an event gone, 1 of 3; at 4 the last.
    first = censorings.estimate(records)
    np.testing.assert_allclose(first.before(keys), [1, 4 / 5, 4 / 5 * 2 / 3, 4 / 5 * 2 / 3, 0])
    crr = censorings.estimate(records, events_first=False)
    np.testing.assert_allclose(crr.before(keys), [1, 4 / 5, 4 / 5 * 3 / 4, 4 / 5 * 3 / 4, 0])


def test_chance_of_having_entered_by_hand():
    frame = pd.DataFrame({"entry": [0, 0, 1, 3], "time": [2, 6, 5, 4], "event": [1, 2, 1, 0]})
    records = prepare(frame, time="time", event="event", entry="entry", competing=True)
    found = censorings.estimate(records)
    # Before 2 have entered: all but one of three, who enters at 3. Before 6: all, one of three censored.
    at = np.searchsorted(records.axis, [2, 4, 6])
    np.testing.assert_allclose(found.before(found.keys(np.zeros(3, int), at)), [2 / 3, 1, 2 / 3])


def test_fine_gray_by_hand():
    """One event of the cause at 3, after a competing event at 1 and a censoring at 2, in an indicator x."""
    frame = pd.DataFrame({"time": [1, 2, 3, 4, 5], "event": [2, 0, 1, 1, 0], "x": [1, 0, 1, 0, 1]})
    found = fine_gray.fit(frame, **FG)
    # At 3: x=1 has rows 3, 5 and the lingering first, G(3-) / G(1-) = 3/4; x=0 has row 4. Row 3 then goes.
    # Score: 1 - 2.75 h / (2.75 h + 1) - 1.75 h / (1.75 h + 1) = 0, so 4.8125 h² = 1.
    np.testing.assert_allclose(np.exp(found.coefficients), [1 / np.sqrt(2.75 * 1.75)], rtol=1e-9)
    h = np.exp(found.coefficients[0])
    curve = found.cumulative_incidence(pd.DataFrame({"x": [0]}, index=["none"]))["none"]
    steps = np.cumsum([1 / (2.75 * h + 1), 1 / (1.75 * h + 1)])
    np.testing.assert_allclose(curve.at([2.5, 3, 4.5])["estimate"], [0, *(1 - np.exp(-steps))], rtol=1e-9)


def test_cause_specific_is_cox_of_each_cause_and_adds_up():
    frame = people()
    found = cause_specific.fit(frame, time="time", event="event", covariates=["x", "z"], strata="stratum")
    for k, model in enumerate(found.models.values(), start=1):
        alone = cox.fit(
            frame.assign(event=(frame["event"] == k) * 1),
            time="time", event="event", covariates=["x", "z"], strata="stratum",
        )  # fmt: skip
        np.testing.assert_allclose(model.coefficients, alone.coefficients, rtol=1e-8)
        np.testing.assert_allclose(model.covariance, alone.covariance, rtol=1e-8)
        np.testing.assert_allclose(model.residuals().martingale, alone.residuals().martingale, atol=1e-8)
        np.testing.assert_allclose(model.concordance().mean, alone.concordance().mean, rtol=1e-8)
        np.testing.assert_allclose(
            model.proportional_hazards().table["statistic"],
            # The times' transformation is by events of the cause alone in both.
            alone.proportional_hazards().table["statistic"],
            rtol=1e-6,
        )
    hazards = [model.cumulative_hazard(PROFILES) for model in found.models.values()]
    for (name, cause), curve in found.cumulative_incidence(PROFILES).items():
        assert curve.cause == cause
        other = found.cumulative_incidence(PROFILES, interval=False)
        total = sum(other[name, each].estimate for each in found.causes)
        # To 1e-9: the sum of hazards is over two models, each to its own optimum.
        gone = 1 - np.exp(-sum(each[name].estimate for each in hazards))
        np.testing.assert_allclose(total, gone, atol=1e-9)


def test_without_covariates_that_matter_incidence_is_aalen_johansens():
    """At the mean of a covariate unrelated by construction, both models are near the estimate without it."""
    frame = people(n=400).assign(time=lambda d: d["time"] + np.linspace(0, 0.9, 400))
    frame = pd.concat([frame, frame.assign(x=-frame["x"])], ignore_index=True)
    plain = cumulative_incidence.fit(frame, time="time", event="event").curves["all", "cause 1"].at([5, 10])
    profile = pd.DataFrame({"x": [0.0]}, index=["mean"])
    specific = cause_specific.fit(frame, **FG).cumulative_incidence(profile)["mean", "cause 1"].at([5, 10])
    gray = fine_gray.fit(frame, **FG).cumulative_incidence(profile)["mean"].at([5, 10])
    for found in (specific, gray):
        np.testing.assert_allclose(found["estimate"], plain["estimate"], rtol=0.005)
        np.testing.assert_allclose(found["std_error"], plain["std_error"], rtol=0.05)


# ---- standard errors are derivatives ----


def by_refitting(fit, frame, step=1e-4):
    """Derivatives of coefficients and curves in each weight, times the weight, by differences."""
    moved = []
    for i in range(len(frame)):
        sides = []
        for sign in (1, -1):
            changed = frame.copy()
            changed.loc[i, "w"] += sign * step
            found = fit(changed)
            predicted = found.cumulative_incidence(PROFILES, interval=False)
            sides.append([found.log_hazard_ratio.mean, *(curve.estimate for curve in predicted.values())])
        moved.append([(up - down) / (2 * step) * frame.loc[i, "w"] for up, down in zip(*sides, strict=True)])
    return [np.array(each) for each in zip(*moved, strict=True)]


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (fine_gray, {}),
        (fine_gray, {"ties": "breslow", "strata": "stratum"}),
        (cause_specific, {}),
        (cause_specific, {"strata": "stratum", "entry": "entry", "ties": "breslow"}),
    ],
)
def test_errors_are_derivatives_in_the_weights(method, options):
    frame = people(n=40)

    def fit(rows, **more):
        return method.fit(
            rows, time="time", event="event", covariates=["x", "z"], weights="w", weights_are="robust",
            **options, **more,
        )  # fmt: skip

    coefficients, *curves = by_refitting(fit, frame)
    for cluster in (None, "unit"):
        found = fit(frame, cluster=cluster)
        code = np.arange(len(frame)) if cluster is None else frame[cluster].to_numpy()
        groups = [np.flatnonzero(code == c) for c in np.unique(code)]
        summed = np.array([coefficients[rows].sum(axis=0) for rows in groups])
        np.testing.assert_allclose(found.log_hazard_ratio.covariance, summed.T @ summed, rtol=1e-5, atol=1e-9)
        for curve, each in zip(found.cumulative_incidence(PROFILES).values(), curves, strict=True):
            error = np.sqrt(sum(each[rows].sum(axis=0) ** 2 for rows in groups))
            np.testing.assert_allclose(curve.std_error, error, rtol=1e-5, atol=1e-9)


# ---- sums over causes ----


def test_totals_above_one_are_told():
    rng = np.random.default_rng(0)
    n = 600
    x = np.repeat([0.0, 1.0], n // 2)
    frame = pd.DataFrame({"time": rng.integers(1, 400, n), "x": x})
    frame["event"] = np.where(rng.random(n) < np.where(x == 0, 0.5, 0.8), 1, 2)
    causes = [fine_gray.fit(frame, **FG, cause=k) for k in (1, 2)]
    inside = fine_gray.total_incidence_check(causes, pd.DataFrame({"x": [0.5]}, index=["between"]))
    beyond = fine_gray.total_incidence_check(causes, pd.DataFrame({"x": [0.5, 9.0]}, index=["in", "far"]))
    assert inside.observed.startswith(("0.9", "1.0"))
    alone = fine_gray.total_incidence_check(causes[:1], pd.DataFrame({"x": [0.0]}, index=["a"]))
    assert alone.verdict == "warn"
    assert "without cause 2" in alone.observed
    total = sum(
        r.cumulative_incidence(pd.DataFrame({"x": [9.0]}, index=["far"]), interval=False)["far"].estimate[-1]
        for r in causes
    )
    assert (beyond.verdict == "fail") == (max(total, float(inside.observed.split()[0])) > 1)


def test_totals_above_one_fail():
    """Two causes that x makes likelier both at once, each by itself almost certain for large x."""
    frame = people(n=300, seed=9)
    frame["event"] = np.where(frame["x"] > 0, np.random.default_rng(1).integers(1, 3, 300), 0)
    frame["time"] = np.where(frame["x"] > 0, 5 + frame["time"] % 5, 20)
    causes = [fine_gray.fit(frame.assign(x=frame["x"] + frame["z"]), **FG, cause=k) for k in (1, 2)]
    check = fine_gray.total_incidence_check(causes, pd.DataFrame({"x": [6.0]}, index=["far"]))
    assert check.verdict == "fail"
    assert "(far)" in check.observed


# ---- hostile data ----


def test_all_tied_all_competing_and_huge_values():
    rng = np.random.default_rng(3)
    tied = pd.DataFrame({"time": 7, "event": rng.integers(0, 3, 50), "x": rng.normal(size=50)})
    fine_gray.fit(tied, **FG)
    curves = cause_specific.fit(tied, **FG).cumulative_incidence(PROFILES)
    assert all(len(curve.time) == 1 for curve in curves.values())
    huge = people(n=80).assign(x=lambda d: 1e9 * d["x"] + 1e12, time=lambda d: d["time"] * 1e8)
    small = people(n=80)
    np.testing.assert_allclose(
        fine_gray.fit(huge, **FG).coefficients * 1e9, fine_gray.fit(small, **FG).coefficients, rtol=1e-5
    )


def test_before_the_first_event_nothing_is_known_and_nothing_happened():
    frame = people(n=80).assign(time=lambda d: np.where(d["event"] > 0, d["time"] + 3, d["time"]))
    curve = fine_gray.fit(frame, **FG).cumulative_incidence(PROFILES)["low"]
    first = curve.time < frame.loc[frame["event"] == 1, "time"].min()
    assert first.any()
    np.testing.assert_array_equal(curve.estimate[first], 0)
    assert np.isnan(curve.lower[first]).all()


def test_without_competing_events_it_is_cox_with_a_warning():
    frame = people(n=80).assign(event=lambda d: (d["event"] == 1) * 1)
    found = fine_gray.fit(frame, **FG)
    np.testing.assert_allclose(found.coefficients, cox.fit(frame, **FG).coefficients, rtol=1e-8)
    assert combine_verdicts(found.checks) == "warn"


def test_late_entry_is_told():
    found = fine_gray.fit(people(n=80), **FG, entry="entry")
    assert any("late entry" in check.name and check.verdict == "warn" for check in found.checks)
    np.testing.assert_array_equal(found.log_hazard_ratio.covariance, found.fixed_weights_covariance)


@pytest.mark.parametrize("method", [fine_gray, cause_specific])
def test_results_show_themselves(method):
    found = method.fit(people(), **FG, causes={1: "revision", 2: "death"})
    assert "revision" in repr(found)
    assert "hazard ratio" in found._repr_html_()


# ---- complaints ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariates": []}, "covariates is empty; expected at least one column"),
        ({"ties": "exact"}, "ties is 'exact'. Expected one of: efron, breslow"),
        ({"level": 1.5}, "level is 1.5; expected a number above 0 and below 1"),
        ({"covariates": ["y"]}, "The frame has no column 'y'"),
        ({"causes": {1: "revision"}}, "cause 2 has no name in causes="),
    ],
)
@pytest.mark.parametrize("method", [fine_gray, cause_specific])
def test_complaints_of_both(method, options, message):
    with pytest.raises(InputError, match=message):
        method.fit(people(), **{**FG, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cause": 3}, "has no row with 'cause 3', so it cannot be modelled. .*It has: cause 1, cause 2"),
        ({"censoring": "cr"}, "censoring is 'cr'. Did you mean 'crr'?"),
        ({"cluster": "one"}, "Column 'one' puts all rows in one cluster"),
    ],
)
def test_complaints_of_fine_gray(options, message):
    with pytest.raises(InputError, match=message):
        fine_gray.fit(people().assign(one=1), **{**FG, **options})


def test_a_level_without_events_is_named():
    frame = people(n=90).assign(kind=lambda d: np.where(d["event"] == 1, "a", np.where(d["x"] > 0, "a", "b")))
    with pytest.raises(InputError, match="There are no events among rows that have it: 'kind: b v a'"):
        fine_gray.fit(frame, **{**FG, "covariates": ["kind"]})
    with pytest.raises(InputError, match="For cause 1: There are no events among rows that have it"):
        cause_specific.fit(frame, **{**FG, "covariates": ["kind"]})


def test_separation_and_collinearity_are_named():
    frame = people(n=90).assign(y=lambda d: 2 * d["x"] + 1)
    with pytest.raises(InputError, match="Covariates determine one another: 'x', 'y'"):
        fine_gray.fit(frame, **{**FG, "covariates": ["x", "y"]})
    ordered = frame.assign(s=lambda d: (d["event"] == 1) * (100.0 - d["time"]))
    with pytest.raises(InputError, match=r"The likelihood has no maximum: 's'|would be infinite"):
        fine_gray.fit(ordered, **{**FG, "covariates": ["s"]})


def test_no_events_at_all():
    nothing = people().assign(event=0)
    with pytest.raises(InputError, match="It has: no event at all"):
        fine_gray.fit(nothing, **FG)
    with pytest.raises(InputError, match="has no event in any row"):
        cause_specific.fit(nothing, **FG)
    with pytest.raises(InputError, match="has no row with 'infection'; leave that cause out"):
        cause_specific.fit(people(), **FG, causes={1: "revision", 2: "death", 3: "infection"})


def test_observation_that_empties_before_others_enter():
    frame = pd.DataFrame(
        {"entry": [0, 0, 5, 5, 5], "time": [2, 3, 7, 8, 9], "event": [2, 1, 1, 0, 1], "x": [1, 0, 1, 0, 0]}
    )
    with pytest.raises(InputError, match="Row 0: after 2 observation empties before others enter"):
        fine_gray.fit(frame, **FG, entry="entry")


def test_complaints_of_the_total():
    one, two = (fine_gray.fit(people(), **FG, cause=k) for k in (1, 2))
    other = fine_gray.fit(people(n=50), **FG, cause=2)
    strata = fine_gray.fit(people(), **FG, cause=2, strata="stratum")
    for results, message in [
        ([], "results is empty"),
        ([one, one], r"two models of one cause \(cause 1, cause 1\)"),
        ([one, other], "different numbers of rows"),
        ([one, strata], "different strata"),
    ]:
        with pytest.raises(InputError, match=message):
            fine_gray.total_incidence_check(results, PROFILES)
    assert fine_gray.total_incidence_check([one, two], PROFILES).verdict in ("pass", "fail")


def test_an_unknown_cause_is_named():
    with pytest.raises(InputError, match=r"There is no cause 'cause 9'\. Did you mean 'cause"):
        cause_specific.fit(people(), **FG).of("cause 9")


def test_profiles_with_repeated_names():
    twice = pd.DataFrame({"x": [0.0, 1.0]}, index=["a", "a"])
    with pytest.raises(InputError, match="The index of profiles repeats a label"):
        fine_gray.fit(people(), **FG).cumulative_incidence(twice)


# ---- found by feeding thousands of tiny random frames ----


def test_fewer_clusters_than_coefficients_leave_the_wald_test_unknown():
    frame = people(n=90).assign(unit=lambda d: d["unit"] % 2)
    for found in (
        fine_gray.fit(frame, **{**FG, "covariates": ["x", "z"]}, cluster="unit").wald,
        cox.fit(
            frame.assign(event=frame["event"] > 0), **{**FG, "covariates": ["x", "z"]}, cluster="unit"
        ).tests,
    ):
        assert np.isnan(found.set_index("test").loc["Wald", "statistic"])


def test_a_profile_beyond_all_data_is_named():
    far = pd.DataFrame({"x": [1e9]}, index=["lost"])
    for found in (fine_gray.fit(people(n=80), **FG), cause_specific.fit(people(n=80), **FG)):
        with pytest.raises(InputError, match="Profile 'lost' has a log relative hazard of"):
            found.cumulative_incidence(far)


def test_relative_risks_too_small_for_a_number_are_refused_not_divided_by():
    frame = pd.DataFrame(
        {"time": [1, 2, 3, 4, 5, 6], "event": [1, 2, 1, 2, 1, 0], "x": [-3.0, 1e6, 0, 1, -3, 1e6]}
    )
    for method in (fine_gray, cause_specific):
        try:
            found = method.fit(frame, **FG)
        except InputError:
            continue
        assert np.isfinite(found.log_hazard_ratio.mean).all()
