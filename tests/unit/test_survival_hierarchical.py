"""`survival.hierarchical.fit` as a whole: what it returns, hostile data, and one real, small posterior.

Most tests replace the sampler by draws from the normal approximation, so that everything else runs as it is.
"""

import numpy as np
import pandas as pd
import pytest
from hierarchical_toys import COLUMNS, registry, without_sampling

from soa_evidence.errors import InputError
from soa_evidence.results import combine_verdicts
from soa_evidence.sampling import Settings
from soa_evidence.survival import hierarchical

SMALL = Settings(draws=60, tune=10, chains=2)
PLAIN = {**COLUMNS, "reference": "general", "seed": 1, "horizons": (1, 3, 5), "settings": SMALL}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(hierarchical, "sample", without_sampling)

    def fit(frame, **changes):
        return hierarchical.fit(frame, **(PLAIN | changes))

    return fit


def check_of(result, name):
    (found,) = [check for check in result.checks if check.name == name]
    return found


def whole(result):
    """Every number there is finite, probabilities are probabilities, and the parts agree with one another."""
    for comparison in (result.these_units, result.as_a_kind):
        table = comparison.table()
        assert np.isfinite(table[["estimate", "lower", "upper"]].to_numpy()).all()
        for at in comparison.horizons:
            net, crude, death = (e.draws for e in (at.revision_free, at.cumulative_incidence, at.death))
            assert ((net > 0) & (net < 1)).all()
            assert (crude <= 1 - net + 1e-4).all()
            assert (crude + death < 1 + 1e-4).all()
            base = at.revision_free.position(result.question.reference_label)
            for label in at.difference.labels:
                gap = 1000 * (net[:, base] - at.revision_free.of(label))
                assert at.difference.of(label) == pytest.approx(gap, abs=1e-9)
        longest = comparison.horizons[-1].years
        assert ((comparison.months.draws > 0) & (comparison.months.draws < 12 * longest)).all()
        assert (comparison.months_alive.draws <= comparison.months.draws + 0.05).all()
    assert np.isfinite(result.units.drop(columns="crude_rate_per_100py").select_dtypes("number")).all().all()
    return result


def test_what_a_fit_returns(quick):
    frame = registry()
    result = whole(quick(frame, case_mix=["age", "sex"]))
    groups = ("general", "independent", "specialist")
    assert result.these_units.at(3).revision_free.labels == groups
    assert result.as_a_kind.at(3).difference.labels == ("independent", "specialist")
    assert result.these_units.log_hazard_ratio.labels == (
        "independent, 0 to 1 years", "independent, 1 to 5 years",
        "specialist, 0 to 1 years", "specialist, 1 to 5 years",
    )  # fmt: skip
    assert result.case_mix.labels == result.case_mix_death.labels
    assert set(result.unit_risk) == {1.0, 3.0, 5.0} == set(result.new_unit_risk)
    assert result.units.shape[0] == 3 * 9
    assert result.units.groupby("years")["rank_median"].max().le(9).all()
    by_unit = frame.groupby("unit")["event"].agg(lambda e: (e == 1).sum())
    observed = frame[frame["years"] <= 5].groupby("unit")["event"].agg(lambda e: (e == 1).sum())
    shown = result.units[result.units["years"] == 5].set_index("unit")["revisions"]
    assert shown.to_dict() == observed.to_dict()
    assert (
        shown.sum() + int(check_of(result, "revisions within the bands").observed.split()[1]) == by_unit.sum()
    )
    assert result.classes["patients"].sum() == len(frame)
    assert result.classes["units"].tolist() == [4, 3, 2]
    assert result.spread.labels == groups
    assert result.baseline.labels[0] == "general, 0 to 0.25 years"
    assert len({e.draws.shape[0] for e in (result.spread, result.baseline, result.unit_risk[1.0])}) == 1
    text = repr(result)
    assert "probability of no revision by 1 years, net of death, these units" in text
    assert "<table" in result._repr_html_()


def test_draws_of_one_result_are_one_state_of_the_world(quick):
    result = quick(registry())
    own = result.units[(result.units["years"] == 5) & (result.units["group"] == "general")]
    weight = own["patients"].to_numpy() / own["patients"].sum()
    risk = result.unit_risk[5.0].select(list(own["unit"])).draws @ weight
    at = result.these_units.at(5)
    assert 1 - at.revision_free.of("general") == pytest.approx(risk, rel=1e-8)


def test_curves_pass_through_the_horizons(quick):
    result = quick(registry(), causes={1: "any revision", 2: "death"})
    for comparison in (result.these_units, result.as_a_kind):
        for k, label in enumerate(("general", "independent", "specialist")):
            survival, incidence = comparison.revision_free_curves[k], comparison.incidence_curves[k]
            assert (survival.label, survival.estimand) == (label, "survival")
            assert (incidence.estimand, incidence.cause) == ("cumulative incidence", "any revision")
            assert comparison.death_curves[k].cause == "death"
            for at in comparison.horizons:
                table = at.revision_free.table().set_index("label")
                row = survival.at([at.years]).iloc[0]
                assert row["estimate"] == pytest.approx(table.loc[label, "estimate"])
                assert row["lower"] == pytest.approx(table.loc[label, "lower"])
            assert (np.diff(survival.estimate) < 0).all()
    frame = registry()
    general = result.these_units.incidence_curves[0]
    had = (frame["kind"] == "general") & (frame["event"] == 1) & (frame["years"] <= 5)
    assert general.events.sum() == had.sum()


def test_a_horizon_that_was_not_asked_for_is_refused(quick):
    with pytest.raises(InputError, match=r"No comparison was made at 2 years; horizons= had 1, 3, 5\."):
        quick(registry()).these_units.at(2)


def test_the_same_seed_gives_the_same_numbers_whatever_the_order_of_rows(quick):
    frame = registry()
    one, two = quick(frame), quick(frame.sample(frac=1, random_state=0))
    assert one.as_a_kind.at(5).difference.draws == pytest.approx(
        two.as_a_kind.at(5).difference.draws, rel=1e-6
    )
    other = quick(frame, seed=2)
    assert not np.allclose(one.as_a_kind.at(5).difference.draws, other.as_a_kind.at(5).difference.draws)


def test_classes_joined_to_a_reference(quick):
    result = whole(quick(registry(), reference=["general", "independent"], reference_label="others"))
    assert result.these_units.at(1).revision_free.labels[-1] == "others"
    assert result.these_units.at(1).difference.labels == ("general", "independent", "specialist")
    assert len(result.these_units.revision_free_curves) == 3


def test_a_constant_ratio_between_classes_can_be_asked_for(quick):
    result = whole(quick(registry(), periods=()))
    assert result.these_units.log_hazard_ratio.labels == (
        "independent, 0 to 5 years",
        "specialist, 0 to 5 years",
    )


def test_one_band_is_an_exponential_model(quick):
    result = whole(quick(registry(), breaks=(0, 5)))
    assert result.baseline.labels == (
        "general, 0 to 5 years",
        "independent, 0 to 5 years",
        "specialist, 0 to 5 years",
    )


# ---- hostile data ------------------------------------------------------------------------------------------


def test_a_class_of_one_unit_is_fitted_with_a_warning(quick):
    result = whole(quick(registry(units=(1, 4, 3))))
    found = check_of(result, "units in the class with fewest")
    assert (found.verdict, found.observed) == ("warn", "1 (specialist)")


def test_no_deaths_are_said(quick):
    result = whole(quick(registry(death=0.0), case_mix=["age"]))
    assert check_of(result, "deaths recorded").verdict == "warn"
    at = result.these_units.at(5)
    assert at.cumulative_incidence.draws == pytest.approx(1 - at.revision_free.draws, rel=1e-6)
    assert at.death.draws.max() < 1e-9
    assert result.case_mix_death is None


def test_a_class_without_revisions_stays_wide_and_warned_of(quick):
    frame = registry()
    frame.loc[(frame["kind"] == "specialist") & (frame["event"] == 1), "event"] = 0
    result = whole(quick(frame))
    found = check_of(result, "revisions in the class with fewest")
    assert (found.verdict, found.observed) == ("warn", "0 (specialist)")
    table = result.as_a_kind.at(5).revision_free.table().set_index("label")
    assert table.loc["specialist", "lower"] < 1 - 0.002


def test_bands_without_events_borrow_from_their_neighbours(quick):
    frame = registry()
    empty = (frame["years"] > 1) & (frame["years"] <= 2) & (frame["event"] > 0)
    frame.loc[empty, "event"] = 0
    whole(quick(frame, breaks=(0, 0.25, 0.5, 1, 2, 3, 5)))


def test_units_of_one_patient_and_of_no_time(quick):
    frame = registry()
    one = {"kind": "general", "age": "old", "sex": "male"}
    more = pd.DataFrame(
        [
            {"years": 0.0, "event": 0, "unit": "at once", **one},
            {"years": 0.01, "event": 1, "unit": "soon", **one},
            {"years": 0.0, "event": 1, "unit": "on the day", **one},
            {"years": 5.5, "event": 0, "unit": "never", **one},
        ]
    )
    result = whole(quick(pd.concat([frame, more], ignore_index=True), case_mix=["age", "sex"]))
    shown = result.units[result.units["years"] == 5].set_index("unit")
    assert shown.loc["at once", "person_years"] == 0
    assert np.isnan(shown.loc["at once", "crude_rate_per_100py"])
    assert shown.loc["on the day", "revisions"] == 1
    # A unit that says nothing is a draw from its class: wider than one with patients.
    many = shown.loc[shown["group"] == "general"].sort_values("patients").index[-1]
    assert shown.loc["at once", "std_error"] > shown.loc[many, "std_error"]


def test_very_few_events(quick):
    frame = registry(n=60, hazard=0.01)
    frame.loc[frame.index[0], ["years", "event"]] = [1.2, 1]
    result = whole(quick(frame, horizons=(1, 3)))
    assert check_of(result, "revisions in the class with fewest").verdict == "warn"
    assert check_of(result, "at risk at the longest horizon, in the class with fewest").verdict == "warn"


def test_everybody_revised(quick):
    frame = registry(n=300)
    frame["event"] = 1
    whole(quick(frame))


def test_late_entry(quick):
    frame = registry(n=800, entry=True)
    late, plain = quick(frame, entry="start"), quick(frame)
    assert late.classes["person_years"].sum() < plain.classes["person_years"].sum()
    # The same events in less time: a higher risk.
    assert (
        late.these_units.at(5).revision_free.table()["estimate"]
        < plain.these_units.at(5).revision_free.table()["estimate"]
    ).all()


# ---- one real posterior ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_known_truth_is_found():
    effect = (-0.5, 0.0, 0.2)
    frame = registry(n=12000, units=(4, 12, 8), effect=effect, spread=0.15, seed=4)
    result = hierarchical.fit(
        frame, **(PLAIN | {"settings": Settings(draws=800, tune=500, chains=2)}), case_mix=["age", "sex"]
    )
    whole(result)
    assert combine_verdicts(result.checks) != "fail", result.checks
    rng = np.random.default_rng(4)
    level = (
        np.log(0.06) + np.array(effect)[np.repeat(np.arange(3), (4, 12, 8))] + 0.15 * rng.standard_normal(24)
    )
    old, male = 0.4, 0.5
    shares = [
        (old * male, -0.1),
        (old * (1 - male), -0.3),
        ((1 - old) * male, 0.2),
        ((1 - old) * (1 - male), 0.0),
    ]
    true = np.array([sum(w * -np.expm1(-5 * np.exp(u + x)) for w, x in shares) for u in level])
    found = result.unit_risk[5.0].table(0.999).set_index("label")
    true = pd.Series(true, index=[f"u{j:02d}" for j in range(24)])
    inside = (found["lower"] < true) & (true < found["upper"])
    assert inside.sum() >= 23
    terms = result.case_mix.table(0.999).set_index("label")
    flip = {"age: old v young": -0.3, "sex: male v female": 0.2, "sex: female v male": -0.2}
    for label, row in terms.iterrows():
        assert row["lower"] < flip[label] < row["upper"]
    age = result.case_mix_death.table(0.999).set_index("label").loc["age: old v young"]
    assert age["lower"] < 1.0 < age["upper"]
    assert (
        result.as_a_kind.at(5).probability_better.table().set_index("label").loc["specialist", "estimate"]
        > 0.95
    )
