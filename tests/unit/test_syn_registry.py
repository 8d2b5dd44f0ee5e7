"""syn-registry: does it make what it says, and is its truth true?"""

import numpy as np
import pandas as pd
import pytest

from soa_evidence import evidence, survival
from soa_evidence.errors import InputError
from soa_evidence.evidence import registry, syn_registry
from soa_evidence.evidence.registry.rows import NO_DATE, code_of
from soa_evidence.evidence.syn_registry import hazards, quadrature
from soa_evidence.evidence.syn_registry.estimands import Truth
from soa_evidence.evidence.syn_registry.export import write
from soa_evidence.evidence.syn_registry.people import People

#: Simulation errors an honest figure stays within; one in sixteen thousand strays further.
ERRORS = 4.0
#: Rounding of integrals that are worked out in two ways.
EXACT = 1e-9


@pytest.fixture(scope="module")
def default():
    return syn_registry.of_scenario()


@pytest.fixture(scope="module")
def plain(default):
    """Alike units and surgeons, no effects of case mix, one reason: everything has a closed form."""
    zero = ("effect.*", "class.*", "spread.*", "surgeon.volume", "hidden.*", "second_joint.share")
    zero += ("death.asa*", "death.deprivation", "age.sd.*")
    off = dict.fromkeys(zero, 0) | {"age.mean.*": 70, "joint.hip_share": 1}
    off |= {f"baseline.hip.{reason}.ten_year": 0 for reason in hazards.REASONS[1:]}
    return default.changed(off | {"baseline.hip.infection.ten_year": 10, "baseline.hip.infection.shape": 1})


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"size": 0}, "size is 0; expected a whole number of rows from 1 to 20,000,000"),
        ({"size": 10.5}, "size is 10.5"),
        ({"size": True}, "size is True"),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        ({"seed": 1.0}, "seed is 1.0"),
        ({"scenario": "no-difference"}, "scenario is 'no-difference'. Did you mean 'no_difference'?"),
    ],
)
def test_a_wrong_choice_is_told(choices, message):
    with pytest.raises(InputError) as caught:
        registry.load("syn-registry", **({"size": 10} | choices))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"spread.surgeons": 0}, "has no parameter 'spread.surgeons'. Did you mean 'spread.surgeon'?"),
        ({"spreads.*": 0}, "has no parameter 'spreads.*'"),
        ({"spread.surgeon": np.inf}, "Parameter 'spread.surgeon' is set to inf; expected a finite number"),
    ],
)
def test_a_wrong_parameter_is_told(default, changed, message):
    with pytest.raises(InputError) as caught:
        default.changed(changed)
    assert message in str(caught.value)


def test_parameters_have_reasons_and_scenarios_differ_where_they_say(default):
    table = evidence.load("syn-registry").table("truth").set_index("parameter")
    assert not table[["unit", "meaning", "why", "source"]].isin(["", None]).any().any()
    moved = table[table["default"] != table["no_difference"]].index
    assert {name.split(".")[0] for name in moved} == {"class", "referral"}
    assert (table.loc[moved, "no_difference"] == 0).all()
    moved = table[table["default"] != table["referral_bias"]].index
    assert set(moved) == {"hidden.revision", "referral.specialist.hidden", "referral.independent.hidden"}
    assert default["hidden.revision"] == table.loc["hidden.revision", "default"]


def test_the_figures_it_was_calibrated_to_are_met():
    targets = evidence.load("syn-registry").table("targets").set_index("id")
    used = targets[targets["use"] == "calibrated"]
    known = used.dropna(subset="published_lower")
    assert set(known.index) >= {"hip-10", "hip-20", "knee-10", "knee-20", "hip-again-15"}
    assert (known["generated"].between(known["published_lower"], known["published_upper"])).all()
    early = used.loc[["hip-again-1-after", "hip-again-1-before", "knee-again-1-after", "knee-again-1-before"]]
    for joint in ("hip", "knee"):
        pair = early[early["joint"] == joint]
        assert pair["published"].min() <= pair["generated"].iloc[0] <= pair["published"].max()
    assert used.loc["hip-death-90", "generated"] == pytest.approx(0.43, abs=0.02)


@pytest.mark.slow
def test_the_committed_targets_are_what_the_generator_yields(default):
    from soa_evidence.evidence.syn_registry import targets

    committed = evidence.load("syn-registry").table("targets")
    again = targets.filled(committed, default, rows=8000)
    gap = (again["generated"] - committed["generated"]).abs()
    # Eight thousand people: about one part in fifty of a failure of a few per cent.
    assert (gap < 0.05 * np.minimum(committed["generated"], 100 - committed["generated"]) + 0.02).all()


def test_no_generated_row_breaks_a_rule(tmp_path, default):
    rows = syn_registry.generate(default, size=20_000, seed=3).rows
    for name in ("x.csv", "x.parquet"):
        write(rows, tmp_path / name)
        report = registry.check(tmp_path / name)
        assert report.in_order, report.text()
        assert (report.rows, report.absent, report.unused) == (20_000, (), ())


def test_the_file_and_the_name_give_the_same_frame(tmp_path, default):
    named = registry.load("syn-registry", size=5000, seed=8).frame()
    write(syn_registry.generate(default, size=5000, seed=8).rows, tmp_path / "x.csv")
    filed = registry.load(tmp_path / "x.csv").frame()
    for name in named:
        if isinstance(named[name].dtype, pd.CategoricalDtype):
            assert named[name].astype(str).tolist() == filed[name].astype(str).tolist()
        else:
            np.testing.assert_array_equal(named[name], filed[name])


def test_export_writes_two_kinds_only(tmp_path, default):
    with pytest.raises(InputError, match=r"ends in '.xlsx'; expected .csv or .parquet"):
        write(syn_registry.generate(default, size=3, seed=1).rows, tmp_path / "x.xlsx")


def test_it_says_that_it_is_synthetic():
    made = registry.load("syn-registry", size=100)
    assert (made.name, made.kind, made.synthetic, made.smallest_count) == (
        "syn-registry",
        "synthetic",
        True,
        1,
    )
    assert "scenario default, 100 primaries, seed 20261" in made.title
    assert made.checks[0].observed.startswith("synthetic, scenario default")


def test_gompertz_death_has_its_closed_form(plain):
    made = syn_registry.generate(plain.changed({"calendar.follow_years": 80}), size=20_000, seed=5)
    rows = made.rows
    assert (rows.death_date != NO_DATE).all()
    dying = hazards.death(plain, made.people)
    lived = (rows.death_date - rows.primary_date) / 365.25
    # The cumulative hazard at death is a standard exponential.
    spent = dying.rate / dying.slope * np.expm1(dying.slope * lived)
    assert spent.mean() == pytest.approx(1, abs=ERRORS / np.sqrt(20_000))
    assert np.mean(spent > np.log(2)) == pytest.approx(0.5, abs=ERRORS * 0.5 / np.sqrt(20_000))


def test_revision_has_its_closed_form_and_the_truth_says_so(plain):
    truth = Truth.of(plain, 5, sample_rows=400)
    table = truth.standardised(times=(1, 5)).set_index(["label", "time"])
    # A constant hazard of 1 % a year: 10 % over ten.
    np.testing.assert_allclose(table["net"].xs(5.0, level="time"), -np.expm1(-0.05), rtol=EXACT)
    np.testing.assert_allclose(table["net"].xs(1.0, level="time"), -np.expm1(-0.01), rtol=EXACT)
    np.testing.assert_allclose(
        table["unrevised_years"].xs(5.0, level="time"), -np.expm1(-0.05) / 0.01, rtol=EXACT
    )
    assert (table["net_mc_error"] < EXACT).all()
    (women, men) = (truth.sample.sex != code_of("sex", "male")), truth.sample.sex == code_of("sex", "male")
    crude = np.mean([_crude(plain, sex, 5.0) for sex in np.where(men, "male", "female")])
    np.testing.assert_allclose(table["crude"].xs(5.0, level="time"), crude, rtol=1e-7)
    assert women.any()
    assert men.any()


def _crude(p, sex, time):
    """Crude revision at a constant hazard of 1 % by a fine sum, with Gompertz death from age 70."""
    rate = p["death.selection"] * p[f"death.hazard_at_70.{sex}"] / 100
    slope = p[f"death.slope.{sex}"]
    step = time / 4000
    at = (np.arange(4000) + 0.5) * step
    return float(np.sum(0.01 * np.exp(-0.01 * at - rate / slope * np.expm1(slope * at))) * step)


def test_curves_tend_to_the_limits_stated(default):
    made = registry.load("syn-registry", size=150_000, seed=21)
    frame = made.frame("knee", columns=["time_years", "cause", "revised", "unit_class"])
    limit = made.truth.unadjusted("knee", times=(1, 5, 10)).set_index(["label", "time"])
    km = survival.kaplan_meier.fit(frame, time="time_years", event="revised", by="unit_class")
    found = km.at([1, 5, 10]).set_index(["label", "time"])
    z = (1 - found["estimate"] - limit["kaplan_meier"]) / found["std_error"]
    assert z.abs().max() < ERRORS
    aj = survival.cumulative_incidence.fit(
        frame, time="time_years", event="cause", by="unit_class", causes=made.causes
    )
    found = aj.at([1, 5, 10], "revision").set_index(["label", "time"])
    z = (found["estimate"] - limit["crude"]) / np.hypot(found["std_error"], limit["crude_mc_error"])
    assert z.abs().max() < ERRORS


def test_the_standardised_truth_is_that_of_everyone_treated_in_one_class(default):
    """Send everyone to specialist units: their crude curve is then the standardised one."""
    sent = default.changed(
        {"units.share.specialist": 1e9, "units.share.general_large": 1.0, "missing.bmi": 0}
    )
    made = syn_registry.generate(sent, size=150_000, seed=21)
    assert (made.rows.unit_class == 0).all()
    hips = made.rows.take(made.rows.joint == code_of("joint", "hip"))
    revised = hips.revision_date != NO_DATE
    end = np.where(revised, hips.revision_date, hips.follow_up_end)
    cause = np.where(revised, 1, np.where(hips.death_date != NO_DATE, 2, 0))
    frame = pd.DataFrame({"years": (end - hips.primary_date) / 365.25, "cause": cause})
    aj = survival.cumulative_incidence.fit(frame, time="years", event="cause").at([5, 10], "cause 1")
    truth = Truth.of(default, 21).standardised("hip", times=(5, 10))
    stated = truth[truth["label"] == "specialist orthopaedic"]
    z = (aj["estimate"].to_numpy() - stated["crude"].to_numpy()) / aj["std_error"].to_numpy()
    assert np.abs(z).max() < ERRORS


def test_no_difference_has_none(default):
    truth = Truth.of(syn_registry.of_scenario("no_difference"), 1, sample_rows=2000)
    assert (truth.hazard_ratios()["hazard_ratio"] == 1).all()
    spread = {"spread.unit.*": 0.2}  # classes of one spread, so that new units are alike too
    alike = Truth.of(syn_registry.of_scenario("no_difference").changed(spread), 1, sample_rows=2000)
    table = alike.differences(units="as a kind")
    assert np.abs(table[["net", "crude", "unrevised_months"]].to_numpy()).max() < EXACT
    named = Truth.of(default, 1, sample_rows=2000).hazard_ratios().set_index(["label", "reason"])
    assert named.loc[("specialist orthopaedic", "infection"), "log_hazard_ratio"] == pytest.approx(-0.35)
    assert (named.xs("NHS general, larger")["hazard_ratio"] == 1).all()


def test_referral_bias_hides_the_effect():
    """At the same recorded case mix specialist patients are worse: crude curves bend the true ranking."""
    honest, biased = (
        Truth.of(syn_registry.of_scenario(name), 1, sample_rows=20_000)
        for name in ("default", "referral_bias")
    )
    label = "specialist orthopaedic"

    def gap(truth):
        table = truth.unadjusted("hip", times=(5,)).set_index("label")["crude"]
        return table[label] - table["NHS general, larger"]

    def true_gap(truth):
        return truth.differences("hip", times=(5,)).set_index("label").loc[label, "crude"] / 1000

    assert true_gap(honest) < 0
    assert true_gap(biased) < 0
    assert gap(honest) < 0
    assert gap(biased) > gap(honest) + 0.004


def test_unit_truths_average_to_their_class(default):
    truth = Truth.of(default, 4, sample_rows=2000)
    units = truth.units("hip", time=5.0).set_index("unit")
    shares = pd.Series(truth.layout.unit_share, index=list(truth.layout.units))
    averaged = (units["crude"] * shares.loc[units.index]).groupby(units["unit_class"]).sum()
    stated = truth.standardised("hip", times=(5,)).set_index("label")["crude"]
    np.testing.assert_allclose(averaged[stated.index], stated, rtol=1e-6)
    assert units["log_effect"].to_dict() == dict(
        zip(truth.layout.units, truth.layout.unit_effect, strict=True)
    )
    assert len(truth.surgeons()) == len(truth.layout.surgeons)
    spreads = truth.spreads().set_index("label")
    assert spreads.loc["surgeons within a unit", "spread"] == 0.2


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (lambda t: t.standardised("elbow"), "joint is 'elbow'; syn-registry has 'hip' and 'knee'"),
        (lambda t: t.standardised("hip", procedure="totl"), "procedure is 'totl'. Did you mean 'total'?"),
        (lambda t: t.standardised(units="all"), "units is 'all'; expected 'these' or 'as a kind'"),
        (lambda t: t.standardised(times=(5, 1)), "expected increasing years above 0"),
        (lambda t: t.differences(reference="NHS"), "There is no class 'NHS'"),
    ],
)
def test_a_wrong_question_about_the_truth_is_told(default, question, message):
    with pytest.raises(InputError) as caught:
        question(Truth.of(default, 1, sample_rows=100))
    assert message in str(caught.value)


def test_gauss_rules_keep_the_moments():
    rng = np.random.default_rng(1)
    values, weights = np.exp(rng.normal(0, 0.3, 500)), rng.random(500)
    at, w = quadrature.compress(values, weights)
    assert len(at) == 6
    for power in range(11):
        assert w @ at**power == pytest.approx(np.average(values**power, weights=weights), rel=1e-10)
    same, one = quadrature.compress(np.full(9, 2.0), np.ones(9))
    assert same @ one == pytest.approx(2.0)


def test_time_rule_integrates_steep_starts():
    rule = quadrature.time_rule([0.5, 2.0, 10.0])
    steep = (rule.node**-0.5)[None]
    np.testing.assert_allclose(rule.cumulated(steep)[0], 2 * np.sqrt([0.5, 2.0, 10.0]), rtol=1e-7)


def test_people_have_the_case_mix_they_should(default):
    people = syn_registry.generate(default, size=40_000, seed=2).people
    assert isinstance(people, People)
    hip = people.joint == code_of("joint", "hip")
    assert hip.mean() == pytest.approx(default["joint.hip_share"], abs=0.02)
    unfit = np.where(people.asa >= 2, 1.0, 0.0)
    assert np.corrcoef(people.age, unfit)[0, 1] > 0.1
    assert np.corrcoef(people.bmi, people.age)[0, 1] < -0.1
    by_class = [people.severity[people.unit_class == k].mean() for k in range(4)]
    assert by_class[0] > by_class[1] > by_class[3]
    assert abs(people.severity.mean()) < ERRORS / np.sqrt(40_000) * 1.5
    partial = people.procedure == code_of("procedure", "unicompartmental")
    assert not (partial & hip).any()


def test_the_layout_is_of_the_seed_alone(default):
    one, two = (syn_registry.generate(default, size=n, seed=9).layout for n in (10, 5000))
    np.testing.assert_array_equal(one.unit_effect, two.unit_effect)
    assert one.surgeons == two.surgeons
    within = np.bincount(one.surgeon_unit, weights=one.surgeon_share)
    np.testing.assert_allclose(within, 1)
    assert np.bincount(one.unit_class).tolist() == [8, 40, 60, 42]
