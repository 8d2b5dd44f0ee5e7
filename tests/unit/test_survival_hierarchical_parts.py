"""The parts of `survival.hierarchical` against arithmetic and plain slow twins; nothing here samples."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hierarchical_toys import BREAKS, cells, plain_curves, plain_log_likelihood, registry
from scipy import stats

from soa_evidence import priors as named_priors
from soa_evidence.results.predictive import SURPRISE, predictive_check
from soa_evidence.survival import hierarchical
from soa_evidence.survival import hierarchical_contrasts as contrasts
from soa_evidence.survival import hierarchical_curves as curves
from soa_evidence.survival import hierarchical_layout as layout
from soa_evidence.survival import hierarchical_model as model
from soa_evidence.survival import hierarchical_normal as normal
from soa_evidence.survival import hierarchical_predictive as predictive
from soa_evidence.survival.hierarchical_draws import Draws
from soa_evidence.survival.hierarchical_result import Question

CLOSED_FORM = 1e-9
#: Between Chebyshev points, relative; see `hierarchical_curves`.
INTERPOLATION = 2e-5
#: Where units differ by a standard deviation of 2 in log hazard, and at the ends of the span.
INTERPOLATION_AT_WORST = 1e-3
#: Central differences of a map of some fifty numbers, and its determinant.
FINITE_DIFFERENCES = 1e-4
PRIORS = named_priors.hierarchical()


def blocks(made, periods=(1.0,)):
    return (
        layout.revision_block(made, layout.period_of_band(made.breaks, periods), PRIORS),
        layout.death_block(made, PRIORS),
    )


def some_draws(made, *, size=7, seed=0, spread=0.3, death=True):
    rng = np.random.default_rng(seed)
    J, G, B, K = len(made.units), len(made.groups), len(made.breaks) - 1, len(made.terms)
    class_level = -3 + 0.2 * rng.standard_normal((size, G))
    log_death = -3 + 0.3 * rng.standard_normal((size, G, B))
    return Draws(
        level=class_level[:, made.group_of_unit] + spread * rng.standard_normal((size, J)),
        class_level=class_level,
        class_spread=np.full((size, G), spread),
        log_time=0.4 * rng.standard_normal((size, G, B)),
        departure=np.zeros((size, G, 1)),
        case_mix=0.3 * rng.standard_normal((size, K)),
        death_case_mix=0.5 * rng.standard_normal((size, K)),
        log_death=log_death if death else np.full_like(log_death, -np.inf),
        log_prior=np.zeros(size),
        log_likelihood=np.zeros(size),
        chains=1,
    )


# ---- cells -------------------------------------------------------------------------------------------------


def test_cells_by_hand():
    frame = pd.DataFrame(
        {
            "years": [0.5, 0.75, 4.0, 6.0, 0.0, 2.0],
            "event": [1, 2, 1, 1, 0, 0],
            "unit": ["a", "a", "b", "b", "b", "c"],
            "kind": ["k", "k", "l", "l", "l", "l"],
        }
    )
    made = cells(frame, case_mix=())
    assert made.units == ("a", "b", "c")
    assert made.group_of_unit.tolist() == [0, 1, 1]
    # Bands (0, 0.5], (0.5, 1], (1, 3], (3, 5].
    assert made.person_years[:, :, 0].tolist() == [
        [1.0, 0.25, 0, 0],
        [1.0, 1.0, 4.0, 3.0],
        [0.5, 0.5, 1.0, 0],
    ]
    assert made.revisions.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert made.deaths.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert made.beyond == 1  # at 6 years
    assert made.patients.tolist() == [2, 3, 1]  # one of them for no time at all
    assert made.at_risk.tolist() == [[2, 0, 0, 0], [3, 3, 2, 1]]
    assert made.events[0].tolist() == [[1, 1, 1, 1], [0, 0, 0, 1]]
    assert made.events[1].tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]


def test_the_design_is_centred_on_all_patients_and_names_the_commonest_level():
    frame = registry()
    made = cells(frame)
    assert made.terms == ("age: old v young", "sex: female v male") or "age: old v young" in made.terms
    assert made.share.sum() == pytest.approx(1.0)
    assert np.abs(made.share @ made.design).max() < CLOSED_FORM
    code = (frame["age"] == "old").to_numpy()
    assert made.share[made.patterns["age"] == "old"].sum() == pytest.approx(code.mean())


def test_late_entry_takes_person_time_and_risk_away():
    frame = registry(entry=True)
    made = cells(frame, entry="start")
    total = (frame["years"].clip(upper=5) - frame["start"].clip(upper=5)).sum()
    assert made.person_years.sum() == pytest.approx(total)
    at = ((frame["years"] >= 1.0) & (frame["start"] < 1.0)).groupby(frame["kind"]).sum()
    assert made.at_risk[:, 1].tolist() == at.loc[list(made.groups)].tolist()


def test_periods_of_bands():
    assert layout.period_of_band(BREAKS, [1.0]).tolist() == [0, 0, 1, 1]
    assert layout.period_of_band(BREAKS, [1.0, 3.0]).tolist() == [0, 0, 1, 2]
    assert layout.period_of_band(BREAKS, []).tolist() == [0, 0, 0, 0]


def test_a_shape_has_mean_0_over_the_years_and_the_steps_between_bands():
    made = cells(registry())
    revision, _ = blocks(made, periods=())
    steps = np.array([0.3, -0.2, 0.5])
    phi = np.zeros(revision.size)
    phi[revision.time] = steps
    shape = revision.time_effect(phi[None])[0, 0]
    assert np.diff(shape).tolist() == pytest.approx(steps.tolist())
    assert shape @ np.diff(BREAKS) == pytest.approx(0.0, abs=CLOSED_FORM)


# ---- the model ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built():
    made = cells(registry(n=150, entry=True), entry="start")
    revision, death = blocks(made)
    data = model.data_for(
        made,
        revision,
        death,
        normal.revision_peak(made, revision, PRIORS),
        normal.death_peak(made, death, PRIORS),
    )
    return made, revision, death, model.build(made, data, revision, death, PRIORS)


def plain_log_density(frame, made, revision, death, value):
    """Log of prior times likelihood in the parameters of the docstring, each prior written out."""
    log = stats.norm.logpdf
    typical, spread = value["typical_log_spread"], value["class_log_spread"]
    phi, phi2, level = value["revision"], value["death"], value["level"]
    own = made.group_of_unit
    total = log(typical, np.log(0.2), 0.7) + log(spread, typical, 0.5).sum()
    total += log(value["log_smoothing"], np.log(0.5), 0.7) + log(
        value["death_log_smoothing"], np.log(0.5), 0.7
    )
    total += log(value["log_period_spread"], np.log(0.1), 0.7)
    total += log(level, phi[revision.classes][own], np.exp(spread)[own]).sum()
    gap = np.diff(np.log((BREAKS[1:] + BREAKS[:-1]) / 2))
    for block, values, smoothing, sds in (
        (revision, phi, value["log_smoothing"], (np.log(0.01), 0.5, 1.0)),
        (death, phi2, value["death_log_smoothing"], (np.log(0.02), 0.5, 1.5)),
    ):
        total += log(values[0], sds[0], 2.5) + log(values[block.classes], values[0], sds[1]).sum()
        total += log(values[block.time][: block.steps], 0, np.exp(smoothing) * np.sqrt(gap)).sum()
        total += log(values[block.case_mix], 0, sds[2]).sum()
    departures = phi[revision.time][revision.steps :]
    total += log(departures, 0, np.exp(value["log_period_spread"])).sum()
    log_time = revision.time_effect(phi[None])[0]
    log_death = phi2[death.classes][:, None] + death.time_effect(phi2[None])[0]
    return total + plain_log_likelihood(
        frame, made, level, log_time, phi[revision.case_mix], log_death, phi2[death.case_mix]
    )


@pytest.mark.slow
def test_the_density_in_the_samplers_coordinates_is_that_of_the_plain_model(built):
    """Density of the coordinates = density of the parameters x |d parameters / d coordinates|, everywhere."""
    import pytensor

    made, revision, death, pm_model = built
    frame = registry(n=150, entry=True)
    names = [
        "typical_log_spread", "class_log_spread", "log_smoothing", "log_period_spread", "revision", "level",
        "death_log_smoothing", "death",
    ]  # fmt: skip
    inputs = pm_model.value_vars
    outputs = pm_model.replace_rvs_by_values([pm_model[name] for name in names])
    mode = pytensor.compile.Mode(linker="py", optimizer="fast_compile")
    function = pytensor.function(inputs, [*outputs, pm_model.logp()], mode=mode)
    sizes = [int(np.prod(v.type.shape)) if None not in v.type.shape else len(made.units) for v in inputs]
    sizes = [
        len(made.groups) if v.name == "class_log_spread_coordinate" else size
        for v, size in zip(inputs, sizes, strict=True)
    ]

    def evaluate(z):
        parts = np.split(z, np.cumsum(sizes)[:-1])
        values = function(*[p if v.type.ndim else p[0] for p, v in zip(parts, inputs, strict=True)])
        return dict(zip(names, values[:-1], strict=True)), float(values[-1])

    def flat(z):
        return np.concatenate([np.ravel(v) for v in evaluate(z)[0].values()])

    rng = np.random.default_rng(3)
    gaps = []
    for scale in (0.0, 1.0, 1.5):
        z = scale * rng.standard_normal(sum(sizes))
        value, density = evaluate(z)
        columns = [(flat(z + e) - flat(z - e)) / 2e-5 for e in 1e-5 * np.eye(len(z))]
        plain = plain_log_density(frame, made, revision, death, value)
        gaps.append(density - plain - np.linalg.slogdet(np.array(columns))[1])
    assert np.ptp(gaps) < FINITE_DIFFERENCES


def test_the_expansion_has_the_gradient_and_curvature_of_the_likelihood():
    frame = registry(n=200)
    made = cells(frame)
    revision, _ = blocks(made)
    peak = normal.revision_peak(made, revision, PRIORS)
    rng = np.random.default_rng(1)
    # Where the expansion is taken: solve for the point at which its own gradient is that of the likelihood.
    u, phi = -3 + 0.1 * rng.standard_normal(len(made.units)), 0.1 * rng.standard_normal(revision.size)
    here = normal._expand_revision(made, revision, revision.time_basis[made.group_of_unit], u, phi)

    def likelihood(u, phi):
        return plain_log_likelihood(
            frame, made, u, revision.time_effect(phi[None])[0], phi[revision.case_mix],
            np.full((3, 4), -np.inf), np.zeros(len(made.terms)),
        )  # fmt: skip

    revisions_only = frame["event"] != 2
    assert revisions_only.any()
    frame = frame.assign(event=np.where(frame["event"] == 2, 0, frame["event"]))
    e = 1e-4
    for k in (0, 3, 8):
        step = e * np.eye(len(u))[k]
        up, down, mid = likelihood(u + step, phi), likelihood(u - step, phi), likelihood(u, phi)
        gradient = here.unit_linear[k] - here.unit_information[k] * u[k] - here.cross[k] @ phi
        assert (up - down) / (2 * e) == pytest.approx(gradient, abs=1e-4)
        assert -(up - 2 * mid + down) / e**2 == pytest.approx(here.unit_information[k], rel=1e-3)
    for k in range(1 + 3, revision.size):
        step = e * np.eye(revision.size)[k]
        gradient = here.linear[k] - here.information[k] @ phi - here.cross[:, k] @ u
        up, down, mid = likelihood(u, phi + step), likelihood(u, phi - step), likelihood(u, phi)
        assert (up - down) / (2 * e) == pytest.approx(gradient, abs=1e-4)
        assert -(up - 2 * mid + down) / e**2 == pytest.approx(here.information[k, k], rel=1e-3, abs=1e-3)
    assert np.isfinite(peak.unit_information).all()
    assert (peak.spread_information >= 0).all()


# ---- curves ------------------------------------------------------------------------------------------------


def test_curves_are_those_of_numerical_integration():
    grid = np.array([0.25, 0.5, 0.8, 1.0, 2.0, 3.0, 4.5, 5.0])
    made = cells(registry(), grid=grid)
    draws = some_draws(made)
    made_curves = curves.curves_for(made, draws, draws.class_level)
    for s, j in ((0, 0), (3, 5), (6, 8)):
        g = made.group_of_unit[j]
        kinds = np.exp(made.design @ draws.case_mix[s])
        death_kinds = np.exp(made.design @ draws.death_case_mix[s])
        net, crude, dead, lost, free = plain_curves(
            draws.level[s, j], draws.log_time[s, g], draws.log_death[s, g], kinds, death_kinds, made.share,
            made.breaks, grid,
        )  # fmt: skip
        level = draws.level[:, [j]]
        for what, plain in (("net", net), ("crude", crude), ("dead", dead)):
            found = made_curves.at(what, level, g)[s, 0]
            assert found == pytest.approx(plain, rel=INTERPOLATION), what
        assert made_curves.at("lost", level, g)[s, 0, 0] == pytest.approx(lost, rel=INTERPOLATION)
        assert made_curves.at("free", level, g)[s, 0, 0] == pytest.approx(free, rel=INTERPOLATION)


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0, 2.0])
def test_interpolation_is_as_near_as_it_says(spread, monkeypatch):
    made = cells(registry())
    draws = some_draws(made, spread=spread, size=20)
    coarse = curves.curves_for(made, draws, draws.class_level)
    monkeypatch.setattr(curves, "_enough_nodes", lambda *_: 120)
    fine = curves.curves_for(made, draws, draws.class_level)
    for g in range(3):
        reach = coarse.reach[:, [g]] * np.linspace(-0.99, 0.99, 31)
        level = coarse.centre[:, [g]] + reach
        for what in ("net", "crude", "dead", "lost", "free"):
            assert coarse.at(what, level, g) == pytest.approx(
                fine.at(what, level, g), rel=INTERPOLATION_AT_WORST
            ), what


def test_without_deaths_the_crude_incidence_is_the_net_one():
    made = cells(registry())
    draws = some_draws(made, death=False)
    found = curves.curves_for(made, draws, draws.class_level)
    level = draws.level[:, made.group_of_unit == 1]
    assert found.at("crude", level, 1) == pytest.approx(found.at("net", level, 1), rel=1e-8)
    assert found.at("dead", level, 1).max() < 1e-12


def test_probabilities_of_what_may_happen_add_up():
    made = cells(registry())
    draws = some_draws(made)
    found = curves.curves_for(made, draws, draws.class_level)
    level = draws.level[:, made.group_of_unit == 0]
    crude, dead, net = (found.at(what, level, 0) for what in ("crude", "dead", "net"))
    assert (crude + dead < 1).all()
    assert (crude < net).all()
    assert (np.diff(net, axis=2) > 0).all()


def hand_question(**changes):
    question = Question(
        reference=("general",), reference_label="general", horizons=(1.0, 5.0), margin_per_1000=5.0
    )
    return dataclasses.replace(question, **changes)


def test_these_units_weigh_by_patients_and_the_kind_does_not():
    frame = registry()
    made = cells(frame)
    draws = some_draws(made)
    found = curves.curves_for(made, draws, draws.class_level)
    these = contrasts.averages("these units", made, draws, found, hand_question())
    own = made.group_of_unit == 0
    size = frame["unit"].value_counts()
    weight = np.array([size[name] for name, mine in zip(made.units, own, strict=True) if mine])
    by_unit = found.at("net", draws.level[:, own], 0)
    expected = np.einsum("smt,m->st", by_unit, weight / weight.sum())
    at = these.labels.index(made.groups[0])
    assert these.net[:, at] == pytest.approx(expected, rel=1e-10)
    hazard = np.exp(draws.level[:, own]) @ weight / weight.sum()
    assert these.hazard[:, at, 0] == pytest.approx(hazard)
    kind = contrasts.averages("units as a kind", made, draws, found, hand_question())
    # The mean of a log-normal, and the mean of risks over many units drawn from the class.
    mean = np.exp(draws.class_level[:, 0] + draws.class_spread[:, 0] ** 2 / 2)
    assert kind.hazard[:, at, 0] == pytest.approx(mean, rel=1e-6)
    many = draws.class_level[:, [0]] + draws.class_spread[:, [0]] * stats.norm.ppf(
        (np.arange(4000) + 0.5) / 4000
    )
    inside = np.abs(many - found.centre[:, [0]]) < found.reach[:, [0]]
    assert inside.all()
    assert kind.net[:, at] == pytest.approx(found.at("net", many, 0).mean(axis=1), rel=1e-4)


def test_a_reference_of_two_classes_is_their_mixture():
    frame = registry()
    made = cells(frame)
    draws = some_draws(made)
    found = curves.curves_for(made, draws, draws.class_level)
    joined = hand_question(reference=("general", "independent"), reference_label="others")
    these = contrasts.averages("these units", made, draws, found, joined)
    assert these.labels == (*made.groups, "others")
    assert these.compared == made.groups
    size = frame["kind"].value_counts()
    mixed = sum(these.net[:, made.groups.index(k)] * size[k] for k in joined.reference)
    mixed = mixed / sum(size[k] for k in joined.reference)
    assert these.net[:, 3] == pytest.approx(mixed)
    kind = contrasts.averages("units as a kind", made, draws, found, joined)
    mixed = (
        kind.net[:, made.groups.index("general")] * 4 + kind.net[:, made.groups.index("independent")] * 3
    ) / 7
    assert kind.net[:, 3] == pytest.approx(mixed)


# ---- predictive checks -------------------------------------------------------------------------------------


def fitted_like(made, frame, *, size=150, seed=2):
    """Draws near what made `registry`: constant hazards, all classes alike but for their effect."""
    draws = some_draws(made, size=size, seed=seed, spread=0.3)
    G, B = len(made.groups), len(made.breaks) - 1
    events, time = made.by_group(made.revisions), made.by_group(made.person_years).sum(axis=2)
    noise = 0.03 * np.random.default_rng(seed).standard_normal((size, G))
    death = np.log(made.deaths.sum() / time.sum()) + np.zeros((size, G, B))
    old = np.array([term.startswith("age: old") - term.startswith("age: young") for term in made.terms])
    return dataclasses.replace(
        draws,
        class_level=np.log(events.sum(axis=1) / time.sum(axis=1)) - 0.045 + noise,
        log_time=np.zeros((size, G, B)),
        case_mix=np.tile(-0.3 * old, (size, 1)),
        death_case_mix=np.tile(1.0 * old, (size, 1)),
        log_death=death - 0.1,
    )


def test_data_like_the_models_own_raise_no_alarm():
    frame = registry(n=4000)
    made = cells(frame)
    table = predictive.replicate(made, fitted_like(made, frame), seed=1)
    assert predictive_check(table).verdict == "pass", table
    assert table["statistic"].is_unique


def test_an_outlying_unit_and_a_wrong_shape_are_seen():
    frame = registry(n=4000, spread=0.05)
    draws = fitted_like(cells(frame), frame)
    strange = frame.copy()
    bad = strange["unit"] == strange["unit"].iloc[0]
    strange.loc[bad & (strange["years"] < 2), "event"] = 1
    table = predictive.replicate(cells(strange), draws, seed=1).set_index("statistic")["probability"]
    assert table["largest excess of a unit over its expectation, standard errors"] < SURPRISE
    early = frame.copy()
    early["event"] = np.where((early["years"] < 0.5) & (early["event"] == 0), 1, early["event"])
    table = predictive.replicate(cells(early), draws, seed=1)
    assert predictive_check(table).verdict == "warn"
    assert "revisions in the first band" in predictive_check(table).observed


def test_default_bands_end_at_the_longest_horizon():
    edges = hierarchical._edges(None, 10.0)
    assert edges.tolist() == [0, 0.25, 0.5, 1, 2, 3, 5, 7, 10]
    assert hierarchical._edges(None, 4.0).tolist() == [0, 0.25, 0.5, 1, 2, 3, 4]
    assert hierarchical._periods(None, edges) == (1.0, 5.0)
    assert hierarchical._periods(None, np.array([0.0, 2.0, 4.0])) == ()
    assert set(hierarchical._grid(edges, (1.0, 4.0, 10.0))) >= {0.125, 0.25, 1.0, 4.0, 8.5, 10.0}
