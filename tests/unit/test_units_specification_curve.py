"""The specification curve against plain loops, and everything it refuses."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sensitivity_toys import COUNTS, counts, difference, roles

from soa_evidence.errors import InputError
from soa_evidence.sampling import Settings
from soa_evidence.units import binomial, classes, specification_curve
from soa_evidence.units.cells import prepare
from soa_evidence.units.class_contrast import ESTIMATORS, Tables, contrasts
from soa_evidence.units.logistic import solve
from soa_evidence.units.sensitivity.leave_one_out import tables_of

CHOICES = {
    "case_mix": {"age and year": ["age", "year"], "none": []},
    "leave_out": {"years": {"both": {}, "last": {"year": ["2017"]}}},
    "smallest": [0, 60],
    "headline": difference(),
    "label": "specialist",
    "seed": 1,
    "exchanges": 0,
}


def fit(frame=None, **changes):
    frame = counts() if frame is None else frame
    given = roles(frame) if "unit" in frame else None
    return specification_curve.fit(frame, **{**COUNTS, "roles": given, **CHOICES, **changes})


@pytest.fixture(scope="module")
def curve():
    return fit(exchanges=50)


def test_every_combination_is_run_once(curve):
    table = curve.specifications
    assert len(table) + len(curve.not_fitted) == 2 * 2 * 2 * 2 * len(ESTIMATORS)
    assert not table[list(curve.choices)].duplicated().any()
    assert table["estimate"].is_monotonic_increasing


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_specification_is_the_estimator_fitted_by_itself(curve, estimator):
    frame = counts()
    for against, years, factors in product(
        ("general", "all others"), ("both", "last"), ("age and year", "none")
    ):
        rows = frame if years == "both" else frame[frame["year"] == "2018"]
        joined = rows.assign(
            group=rows["group"].replace({"independent": "general"} if against == "all others" else {})
        )
        cells = prepare(joined, **COUNTS, group="group", case_mix=CHOICES["case_mix"][factors])
        one = contrasts(tables_of(cells, "specialist", "general"), (estimator,))[0][estimator]
        reach = (1.959963984540054 if np.isinf(one.dof) else stats.t.ppf(0.975, one.dof)) * one.std_error
        row = curve.specifications.query(
            "against == @against and years == @years and case_mix == @factors and estimator == @estimator "
            "and smallest_unit == 'every unit'"
        ).iloc[0]
        expected = 1000 * np.array([one.estimate, one.estimate - reach, one.estimate + reach])
        assert row[["estimate", "lower", "upper"]].to_numpy(float) == pytest.approx(expected, rel=1e-6)


def test_small_units_are_left_out_where_asked():
    frame = counts()
    small = frame["unit"] == "general 0"
    frame.loc[small, ["n", "events"]] = frame.loc[small, ["n", "events"]].clip(upper=5)
    curve = fit(
        frame, estimators=["g_computation"], leave_out={}, case_mix={"none": []}, roles=roles(frame).iloc[:15]
    )
    both = curve.specifications.set_index("smallest_unit")["estimate"]
    without = fit(
        frame[~small],
        estimators=["g_computation"],
        leave_out={},
        case_mix={"none": []},
        smallest=[0],
        roles=roles(frame).iloc[:15],
    )
    assert both["60 patients or more"] == pytest.approx(without.specifications["estimate"].iloc[0])
    assert both["every unit"] != both["60 patients or more"]


def test_agreement_counts_signs_and_conclusions(curve):
    row, table = curve.of("all"), curve.specifications
    assert row["same_sign"] == (table["estimate"] < 0).sum()
    assert row["lower"] + row["higher"] + row["cannot_tell"] == row["specifications"] == len(table)
    assert curve.conclusion == "lower"  # -20, standard error 5
    assert row["same_conclusion"] == (table["upper"] < 0).sum()
    assert curve.of("these units")["specifications"] + curve.of("units as a kind")["specifications"] == len(
        table
    )
    with pytest.raises(InputError, match="No specifications are of kind 'neither'"):
        curve.of("neither")


def test_influence_is_the_share_of_variance_between_options(curve):
    table = curve.specifications
    row = curve.influence.set_index("choice").loc["years"]
    means = table.groupby("years")["estimate"].transform("mean")
    assert row["share_of_variance"] == pytest.approx(means.var() / table["estimate"].var())
    by = table.groupby("years")["estimate"].mean()
    assert row["largest_gap"] == pytest.approx(abs(by["both"] - by["last"]))
    assert curve.influence["share_of_variance"].is_monotonic_decreasing


def test_what_cannot_be_fitted_is_listed():
    frame = counts()
    frame.loc[(frame["group"] == "specialist") & (frame["year"] == "2018"), "events"] = 0
    curve = fit(frame)
    assert set(curve.not_fitted["reason"]) == {"the first class has no events"}
    assert set(curve.not_fitted["years"]) == {"last"}
    assert curve.checks[0].verdict == "warn"


def test_a_further_class_without_events_is_no_obstacle():
    frame = counts()
    frame.loc[frame["group"] == "independent", "events"] = 0
    assert fit(frame).not_fitted.empty


def test_exchanges_agree_with_all_of_them():
    """Every choice of three of eleven units, enumerated, gives the p value that random exchange estimates."""
    frame = counts(groups={"specialist": 3, "general": 8}, effect=-0.6)
    kind = roles(frame).query("against == 'general'").drop(columns="against")
    curve = fit(frame, roles=kind, leave_out={}, case_mix={"none": []}, smallest=[0], exchanges=4000)
    units = frame.groupby("unit", sort=True)[["events", "n"]].sum()
    over = (units["events"] - units["n"] * units["events"].sum() / units["n"].sum()).to_numpy()
    size = units["n"].to_numpy(float)
    every = []
    for chosen in combinations(range(11), 3):
        inside = np.isin(np.arange(11), chosen)
        every.append(over[inside].sum() / size[inside].sum() - over[~inside].sum() / size[~inside].sum())
    special = units.index.str.startswith("specialist")
    own = over[special].sum() / size[special].sum() - over[~special].sum() / size[~special].sum()
    assert curve.reference.median == pytest.approx(1000 * own)
    exact = np.mean(np.abs(every) >= abs(own) - 1e-12)
    assert abs(curve.reference.p_value - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000


def test_labels_are_exchanged_within_strata_only():
    frame = counts(groups={"specialist": 1, "general": 1, "independent": 4})
    kind = roles(frame).query("against == 'all others'").drop(columns="against")
    kind["stratum"] = np.where(kind["unit"].str.startswith("ind"), "independent", "NHS")
    curve = fit(frame, roles=kind, leave_out={}, case_mix={"none": []}, smallest=[0], exchanges=200)
    # only two exchanges exist: about half leave everything as it is
    assert 0.3 < curve.reference.p_value <= 1.0


def test_the_same_seed_gives_the_same_reference():
    first, second = (fit(exchanges=20).reference for _ in range(2))
    assert first == second


def test_the_hierarchical_model_at_one_place_is_the_model_itself(monkeypatch):
    small = Settings(chains=2, draws=250)
    plain = binomial.fit

    def quick(frame, **choices):
        return plain(frame, **{**choices, "settings": small})

    monkeypatch.setattr(specification_curve.binomial, "fit", quick)
    frame = counts()
    curve = fit(frame, hierarchical=[{"years": "last"}], estimators=["g_computation"])
    rows = curve.specifications.query("estimator == 'hierarchical'")
    assert set(rows["years"]) == {"last"}
    assert set(rows["estimand_kind"]) == {"these units", "units as a kind"}
    named = frame[frame["year"] == "2018"].assign(
        group=lambda f: f["group"].replace({"general": "comparator"})
    )
    own = quick(named, **COUNTS, group="group", reference="comparator", case_mix=["age", "year"], seed=1)
    expected = own.these_units.difference.select(["specialist"]).table().iloc[0]["estimate"]
    assert rows.query("estimand_kind == 'these units'")["estimate"].iloc[0] == pytest.approx(expected)
    assert "hierarchical" in curve.choices["estimator"]


def test_it_shows_itself(curve):
    assert "specifications" in repr(curve)
    assert "<table" in curve._repr_html_()


FRAME = counts()
ROLES = roles(FRAME)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"case_mix": {}}, "expected names of choices"),
        ({"case_mix": {"age": "age"}}, "'age' is the text 'age'; expected a list of columns"),
        ({"case_mix": {"age": ["agge"]}}, "no column 'agge'. Did you mean 'age'"),
        ({"estimators": ["g_computaton"]}, "Did you mean 'g_computation'"),
        ({"estimators": []}, "estimators is empty"),
        ({"smallest": 30}, "expected a list of numbers of patients"),
        ({"smallest": [-1]}, "smallest holds -1"),
        ({"leave_out": {"years": {"last": {"year": ["2071"]}}}}, "column 'year' never is '2071'"),
        ({"leave_out": {"years": {"none": {"year": ["2017", "2018"]}}}}, "leaves out every value of 'year'"),
        ({"leave_out": {"years": {}}}, "'years' has no options"),
        ({"leave_out": {"estimate": {"all": {}}}}, "the name of a column of the result"),
        ({"leave_out": {"many": {str(i): {} for i in range(3000)}}}, "at most 20,000 are run"),
        ({"roles": "table"}, "roles is a str; expected a frame"),
        ({"roles": ROLES.drop(columns="role")}, "roles has no column 'role'"),
        ({"roles": ROLES.rename(columns={"against": "estimator"})}, "roles has a choice 'estimator'"),
        ({"roles": ROLES.iloc[1:]}, "unit '.*' of the frame is not listed"),
        ({"roles": pd.concat([ROLES, ROLES.iloc[:1]])}, "is listed twice"),
        ({"roles": ROLES.assign(role="specialist")}, "no unit with data has the role 'comparator'"),
        ({"roles": ROLES.assign(stratum=range(len(ROLES)))}, "in more than one stratum"),
        ({"label": "general"}, "no label 'general'"),
        ({"exchanges": -1}, "exchanges=-1"),
        ({"hierarchical": [{"years": "next"}]}, "hierarchical asks for 'years': 'next'"),
        ({"hierarchical": [{"month": "May"}]}, "hierarchical asks for 'month'"),
        ({"smallest": [10**6]}, "No specification can be fitted"),
    ],
)
def test_what_it_refuses(changes, message):
    with pytest.raises(InputError, match=message):
        fit(FRAME, **changes)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.iloc[:0], "empty"),
        (FRAME.assign(events=FRAME["n"] + 1), "events cannot exceed trials"),
        (FRAME.assign(age=None), "Column 'age', row 0: missing"),
        ([1, 2], "Expected a pandas frame"),
    ],
)
def test_what_it_refuses_of_the_frame(frame, message):
    with pytest.raises(InputError, match=message):
        specification_curve.fit(frame, **COUNTS, roles=ROLES, **CHOICES)


def test_roles_of_nhs_units():
    units = pd.DataFrame(
        {
            "provider_code": list("abcde"),
            "unit_class": ["specialist orthopaedic", "NHS general, large", "NHS general, teaching",
                           "independent sector", "NHS general, small"],
            "specialist_orthopaedic_site": ["the whole provider", "specialist hospital inside", "none known",
                                            "none known", "none known"],
        }
    )  # fmt: skip
    table = classes.roles(units)
    assert len(table) == 5 * len(classes.SPECIALISTS) * len(classes.COMPARATORS)
    by = {
        k: dict(zip(g["provider_code"], g["role"], strict=True))
        for k, g in table.groupby(["specialist", "compared_with"])
    }
    first = by[classes.SPECIALISTS[0], classes.COMPARATORS[0]]
    assert first == {
        "a": "specialist",
        "b": "comparator",
        "c": "comparator",
        "d": "independent sector",
        "e": "comparator",
    }
    assert by[classes.SPECIALISTS[1], classes.COMPARATORS[0]]["b"] == "specialist"
    assert by[classes.SPECIALISTS[2], classes.COMPARATORS[0]]["b"] is None
    assert by[classes.SPECIALISTS[0], classes.COMPARATORS[1]]["d"] is None
    assert by[classes.SPECIALISTS[0], classes.COMPARATORS[2]]["c"] == "NHS teaching"
    assert by[classes.SPECIALISTS[0], classes.COMPARATORS[3]]["d"] == "comparator"
    with pytest.raises(InputError, match="no column 'unit_class'"):
        classes.roles(units.drop(columns="unit_class"))


@pytest.mark.parametrize("start", [None, "far"])
def test_levels_that_say_the_same_or_run_away_do_no_harm(start):
    """Age and sex hidden together are one column twice; a level without events runs away."""
    design = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    events = np.array([[5.0, 7.0, 0.0], [20.0, 22.0, 0.0]])
    trials = np.array([[50.0, 40.0, 3.0], [100.0, 90.0, 4.0]])
    far = solve(design, trials - events, trials) if start else None
    found = solve(design, events, trials, start=far)
    assert found.converged
    plain = solve(design[:2, :1], events[:, :2], trials[:, :2])
    assert found.risk[:, :2] == pytest.approx(plain.risk, abs=1e-8)
    assert (found.risk[:, 2] < 1e-3).all()
    tables = Tables(design=design, events=events, trials=trials, role=np.array([0, 1]))
    one = contrasts(tables, ("g_computation",))[0]["g_computation"]
    assert 0 < one.std_error < 0.2


@pytest.mark.parametrize("estimator", ["clustered", "unit_means"])
def test_too_few_units_are_said_to_be(estimator):
    cells = prepare(counts(groups={"specialist": 1, "general": 1}), **COUNTS, group="group", case_mix=[])
    found = contrasts(tables_of(cells, "specialist", "general"), (estimator,))[0][estimator]
    assert isinstance(found, str)


def test_classes_without_a_pattern_in_common_have_no_mantel_haenszel():
    tables = Tables(
        design=np.array([[0.0], [1.0]]), events=np.array([[2.0, 0.0], [0.0, 3.0]]),
        trials=np.array([[20.0, 0.0], [0.0, 30.0]]), role=np.array([0, 1]),
    )  # fmt: skip
    found = contrasts(tables, ("mantel_haenszel",))[0]["mantel_haenszel"]
    assert found == "no case-mix pattern has patients in both classes"
