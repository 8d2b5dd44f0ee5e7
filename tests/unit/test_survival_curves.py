"""Published survivorship pooled: arithmetic by hand, sources apart, every refusal."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.synthesis import pairwise, reconstruct, survival_curves

COLUMNS = ["study", "source", "t", "p", "l", "u"]
HIPS = pd.DataFrame(
    [
        ("Denmark", "registry", 10, 92.0, 91.6, 92.4),
        ("Sweden", "registry", 10, 94.0, 93.6, 94.3),
        ("Norway", "registry", 10, 93.0, 92.6, 93.4),
        ("Denmark", "registry", 15, 86.3, 85.7, 86.9),
        ("Sweden", "registry", 15, 88.0, 87.6, 88.3),
        ("Ames", "case series", 15, 91.0, 85.0, 95.0),
        ("Boyd", "case series", 15, 96.0, 92.0, 98.0),
    ],
    columns=COLUMNS,
)
OPTIONS = {"study": "study", "source": "source", "time": "t", "percent": "p", "lower": "l", "upper": "u"}


def fit(frame=HIPS, **changes):
    return survival_curves.fit(frame, **{**OPTIONS, **changes})


def test_sources_are_pooled_apart_and_only_compared():
    both, alone = fit(), fit(HIPS[HIPS["source"] == "registry"])
    assert set(both.sources) == {"registry", "case series"}
    ours, theirs = both.source("registry"), alone.source("registry")
    # the kind of limits is recognised over the whole table, so say it to compare
    fixed = fit(limits="log-log").source("registry")
    fixed_alone = fit(HIPS[HIPS["source"] == "registry"], limits="log-log").source("registry")
    assert fixed.table().equals(fixed_alone.table())
    assert ours.studies == theirs.studies == ("Denmark", "Sweden", "Norway")
    assert not hasattr(both, "pooled")


def test_one_time_is_the_pairwise_meta_analysis_of_the_same_values():
    """With one time a study and free means the model is the pairwise one, by REML."""
    ten = HIPS[HIPS["t"] == 10]
    found = fit(ten, limits="log-log", estimate_unit=1e-9, limit_unit=1e-9).source("registry")
    s, low, high = (ten[name].to_numpy() / 100 for name in ("p", "l", "u"))
    frame = pd.DataFrame(
        {
            "label": ten["study"].to_numpy(),
            "estimate": -np.log(-np.log(s)),
            "std_error": (np.log(-np.log(low)) - np.log(-np.log(high))) / (2 * 1.959963984540054),
        }
    )
    other = pairwise.fit(frame, method="REML", interval="t")
    ours, theirs = found.at([10]).table().iloc[0], other.pooled.table().iloc[0]
    for name in ("estimate", "std_error", "lower", "upper"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-6)
    assert found.fitted.tau2 == pytest.approx(other.quantity("tau2"), rel=1e-5)


def test_several_times_of_one_study_have_the_covariance_of_a_curve():
    found = fit(HIPS[HIPS["study"] == "Denmark"], limits="log-log", estimate_unit=1e-9, limit_unit=1e-9)
    curve = found.source("registry")
    covariance = curve.at([10, 15]).covariance
    s = np.array([0.92, 0.863])
    # Var(log S(10)) is the covariance of log S(10) and log S(15)
    log_variance = covariance[0, 0] * np.log(s[0]) ** 2
    assert covariance[0, 1] == pytest.approx(log_variance / (np.log(s[0]) * np.log(s[1])), rel=1e-9)
    assert curve.at([10, 15]).dof is None
    with pytest.raises(InputError, match=r"one study of source 'registry' \(Denmark\)"):
        curve.new_registry([10])


def test_one_more_study_is_less_sure_than_the_average():
    curve = fit().source("registry")
    table = curve.table()
    assert (table["new_lower"] < table["lower"]).all()
    assert (table["new_upper"] > table["upper"]).all()
    assert curve.at([10]).dof == 2


def test_a_line_reads_between_times_but_not_beyond():
    line = fit(HIPS[HIPS["source"] == "registry"], mean="line", scale="logit")
    registry = line.source("registry")
    at = survival_curves.as_survival(registry.at([10, 12, 15]).mean, "logit")
    assert at[0] > at[1] > at[2]
    assert len(registry.curve().time) == 60
    assert registry.curve(predict=True).label == "one more registry"
    assert len(fit().source("registry").curve().time) == 2
    with pytest.raises(InputError, match=r"from 10 to 15 years; 20 lies outside"):
        registry.at([20])


def test_a_line_through_the_case_series_of_one_time_is_refused():
    with pytest.raises(
        InputError, match=r"All studies of source 'case series' report 15 years; a line needs"
    ):
        fit(HIPS[HIPS["source"] == "case series"], mean="line")
    line = pd.concat([HIPS, pd.DataFrame([("Boyd", "case series", 20, 90.0, 80.0, 95.0)], columns=COLUMNS)])
    assert set(fit(line, mean="line").sources) == {"registry", "case series"}


def test_free_means_are_known_at_reported_times_only():
    with pytest.raises(InputError, match=r"reports 12 years\. Reported: 10, 15; mean='line'"):
        fit().source("registry").at([12])


def test_the_gap_between_sources_is_their_difference():
    found = fit()
    gap = found.gap("case series", "registry", 15, seed=1)
    means = [
        survival_curves.as_survival(found.source(name).at([15]).mean)[0]
        for name in ("case series", "registry")
    ]
    assert np.median(gap.draws) == pytest.approx(means[0] - means[1], abs=0.01)
    with pytest.raises(InputError, match=r"source is 'registries'\. Did you mean 'registry'"):
        found.gap("registries", "case series", 15, seed=1)


def test_where_a_new_result_lies():
    curve = fit().source("registry")
    middle = survival_curves.as_survival(curve.at([10]).mean)[0]
    placed = curve.place(float(middle), 10, seed=1)
    assert placed.probability("new result", above=0) == pytest.approx(0.5, abs=0.02)
    assert curve.place(0.99, 10, seed=1).probability("new result", above=0) > 0.9
    unsure = curve.place(float(middle), 10, std_error=0.02, seed=1).table().iloc[0]
    sure = placed.table().iloc[0]
    assert unsure["upper"] - unsure["lower"] > sure["upper"] - sure["lower"]
    with pytest.raises(InputError, match=r"survival is 95; expected a share"):
        curve.place(95, 10, seed=1)
    with pytest.raises(InputError, match=r"std_error is -1"):
        curve.place(0.95, 10, std_error=-1, seed=1)


def test_other_correlations_are_shown_beside_the_one_used():
    table = fit().source("registry").correlations
    assert sorted(set(table["correlation"])) == [0.0, 0.5, 0.9, 1.0]
    fixed = fit(correlation=0.5).source("registry")
    shown = table[table["correlation"] == 0.5].set_index("time")
    assert np.allclose(shown["estimate"], fixed.table().set_index("time")["estimate"], rtol=1e-6)


def test_checks_tell_how_little_there_is():
    verdicts = {check.name: check.verdict for check in fit().checks}
    assert verdicts["studies pooled, registry"] == "warn"
    assert verdicts["studies at the time with fewest, registry"] == "pass"
    assert verdicts["studies that report several times, registry"] == "warn"
    assert "studies that report several times, case series" in verdicts
    assert "registry: 3 studies, 10 to 15 years" in repr(fit())


def test_every_defensible_choice_in_one_table():
    registries = HIPS[HIPS["source"] == "registry"]
    table = survival_curves.choices(registries, kind="registry", at=10, **OPTIONS)
    whole = table[table["without"] == "none"].set_index(["scale", "mean"])
    assert set(whole.index) == {(s, m) for s in survival_curves.SCALES for m in survival_curves.MEANS}
    ours = fit(registries, mean="line", scale="logit").source("registry").table().set_index("time").loc[10]
    assert whole.loc[("logit", "line"), "estimate"] == pytest.approx(ours["estimate"], rel=1e-9)
    assert set(table["without"]) == {"none", "Denmark", "Sweden", "Norway"}
    # between the reported times only lines are known
    between = survival_curves.choices(registries, kind="registry", at=12, **OPTIONS)
    assert set(between["mean"]) == {"line"}
    with pytest.raises(InputError, match=r"kind is 'registries'\. Did you mean 'registry'"):
        survival_curves.choices(registries, kind="registries", at=10, **OPTIONS)


@pytest.fixture(scope="module")
def curves():
    made = {}
    for at, (study, s10, s15) in enumerate([("A", 94, 88), ("B", 92, 85), ("C", 95, 90)]):
        frame = pd.DataFrame(
            {"t": [10, 15], "p": [s10, s15], "l": [s10 - 1, s15 - 2], "u": [s10 + 1, s15 + 2]}
        )
        made[study] = reconstruct.from_table(
            frame,
            time="t",
            percent="p",
            lower="l",
            upper="u",
            seed=at,
            label=study,
            replicates=4,
            interval="plain",
        )
    return made


def test_reconstructed_curves_pool_like_the_tables_they_came_from(curves):
    sources = dict.fromkeys(curves, "registry")
    ours = survival_curves.from_curves(curves, sources=sources, times=[10, 15]).source("registry")
    rows = [
        (study, "registry", t, 100 * float(curve.survival([t])["estimate"].iloc[0]), s - w, s + w)
        for study, curve in curves.items()
        for t, w, s in (
            (10, 1, {"A": 94, "B": 92, "C": 95}[study]),
            (15, 2, {"A": 88, "B": 85, "C": 90}[study]),
        )
    ]
    table = fit(pd.DataFrame(rows, columns=COLUMNS), limits="plain", estimate_unit=1.0, limit_unit=1.0)
    assert np.allclose(ours.table()["estimate"], table.source("registry").table()["estimate"], atol=0.003)


def test_reconstructed_curves_need_sources_times_and_one_unit(curves):
    with pytest.raises(InputError, match=r"given no curves"):
        survival_curves.from_curves({}, sources={}, times=[10])
    with pytest.raises(InputError, match=r"Study 'B' has no source"):
        survival_curves.from_curves(curves, sources={"A": "registry"}, times=[10])
    with pytest.raises(InputError, match=r"Study 'A' is known from .* none of the times"):
        survival_curves.from_curves(curves, sources=dict.fromkeys(curves, "registry"), times=[40])


BAD = [
    ({"frame": [1]}, r"as a pandas DataFrame; got list"),
    ({"frame": HIPS.assign(source=None)}, r"Column 'source', row 0: missing; .*not pooled together"),
    ({"frame": HIPS.assign(study=[None] * 7)}, r"Column 'study', row 0: missing"),
    ({"study": "registry_name"}, r"no column 'registry_name'"),
    ({"scale": "probit"}, r"scale is 'probit'.*Expected one of: log-log, logit"),
    ({"mean": "lines"}, r"mean is 'lines'\. Did you mean 'line'"),
    ({"correlation": 1.5}, r"correlation is 1\.5; expected a number from 0 to 1"),
    ({"level": 0}, r"level is 0"),
    ({"frame": pd.concat([HIPS, HIPS.iloc[:1]])}, r"Study 'Denmark' gives column 't' 10 twice in one source"),
    (
        {"frame": HIPS.assign(t=[10, 10, 10, 5, 15, 15, 15])},
        r"Study 'Denmark': survival rises from 86\.3% at 5",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[m[:30] for _, m in BAD])
def test_bad_input_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        fit(**changes)
