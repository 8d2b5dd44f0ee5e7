"""Multi-state: expected values written as arithmetic, refusals matched, registry rows turned to stays."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.survival import cumulative_incidence, multistate

STAYS = {"id": "id", "time": "time", "entry": "entry", "from_state": "from", "to_state": "to"}


def stays():
    """Four people: 1 goes a, b, c; 2 goes a, b and is censored in b; 3 goes a, c; 4 is censored in a."""
    return pd.DataFrame(
        {
            "id": [1, 1, 2, 2, 3, 4],
            "entry": [0.0, 1, 0, 2, 0, 0],
            "time": [1.0, 4, 2, 6, 3, 5],
            "from": ["a", "b", "a", "b", "a", "a"],
            "to": ["b", "c", "b", None, "c", None],
        }
    )


def fit(frame=None, **more):
    return multistate.fit(stays() if frame is None else frame, **{**STAYS, **more})


def value(estimates, label):
    return float(estimates.mean[estimates.position(label)])


# ---- estimates ----


def test_probabilities_are_shares_as_long_as_no_one_is_censored():
    found = fit()
    for time, a, b, c in [
        (1, 3 / 4, 1 / 4, 0),
        (2, 2 / 4, 2 / 4, 0),
        (3, 1 / 4, 2 / 4, 1 / 4),
        (4, 1 / 4, 1 / 4, 2 / 4),
    ]:
        p = found.occupation(time)
        assert [value(p, f"all: {s}") for s in "abc"] == pytest.approx([a, b, c])


def test_the_error_of_a_share_is_binomial():
    p = fit().occupation(3)
    assert p.covariance[0, 0] == pytest.approx(1 / 4 * 3 / 4 / 4)
    assert p.covariance[0, 1] == pytest.approx(-1 / 4 * 2 / 4 / 4)


def test_hazards_are_moves_over_those_at_risk():
    found = fit()
    assert found.transitions == ("a -> b", "a -> c", "b -> c")
    assert found.hazards["all", "a -> b"].at([2])["estimate"][0] == pytest.approx(1 / 4 + 1 / 3)
    assert found.hazards["all", "b -> c"].at([4])["estimate"][0] == pytest.approx(1 / 2)
    assert found.hazards["all", "a -> b"].at([2])["std_error"][0] == pytest.approx(np.sqrt(1 / 16 + 1 / 9))


def test_transition_probabilities_multiply():
    found = fit()
    early, late, whole = (found.transition(*span).matrix for span in [(0, 2), (2, 5), (0, 5)])
    np.testing.assert_allclose(early.to_numpy() @ late.to_numpy(), whole, atol=1e-15)
    assert whole.loc["a", "a"] == pytest.approx(3 / 4 * 2 / 3 * 1 / 2)
    assert whole.loc["b", "c"] == pytest.approx(1 / 2)
    np.testing.assert_allclose(whole.sum(axis=1), 1)


def test_time_in_state_is_the_area_under_its_probability():
    mean = fit().mean_time(5)
    assert value(mean, "all: a") == pytest.approx(1 + 3 / 4 + 2 / 4 + 1 / 4 + 1 / 4)
    assert value(mean, "all: b") == pytest.approx(0 + 1 / 4 + 2 / 4 + 2 / 4 + 1 / 4)
    assert sum(mean.mean) == pytest.approx(5)


def test_expected_moves_count_every_visit():
    found = fit()
    moves = found.expected_moves(5, per=1000)
    assert value(moves, "all: a -> b") == pytest.approx(500)
    assert value(moves, "all: b -> c") == pytest.approx(250)
    every = found.expected_moves(5, to=["b", "c"], per=1)
    assert every.labels == ("all: moves to b, c",)
    assert every.mean[0] == pytest.approx(1)  # 4 moves of 4 people
    into_c = found.expected_moves(5, to="c", per=1)
    assert into_c.mean[0] == pytest.approx(value(found.occupation(5), "all: c"))
    np.testing.assert_allclose(into_c.covariance[0, 0], found.occupation(5).covariance[2, 2])


def test_going_back_and_forth_is_allowed():
    frame = pd.DataFrame(
        {
            "id": [1, 1, 1, 2], "entry": [0.0, 1, 2, 0], "time": [1.0, 2, 3, 4], "from": ["a", "b", "a", "a"],
            "to": ["b", "a", "b", None],
        }
    )  # fmt: skip
    found = fit(frame)
    assert value(found.expected_moves(4, to="b", per=1), "all: moves to b") == pytest.approx(1 / 2 + 1 / 2)
    assert found.transition(0, 2).matrix.loc["a", "a"] == pytest.approx(1 / 2 + 1 / 2)


def test_two_causes_are_cumulative_incidence():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"id": range(80), "time": rng.integers(1, 9, 80), "cause": rng.integers(0, 3, 80)})
    frame["from"], frame["to"] = "alive", frame["cause"].map({0: None, 1: "revised", 2: "died"})
    found = multistate.fit(frame, id="id", time="time", from_state="from", to_state="to")
    crude = cumulative_incidence.fit(frame, time="time", event="cause", causes={1: "revised", 2: "died"})
    ours = (
        found.at([4]).set_index("state").loc[["revised", "died"], ["estimate", "std_error", "lower", "upper"]]
    )
    theirs = crude.at([4])[["estimate", "std_error", "lower", "upper"]]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    net = found.at([4], variance="greenwood").set_index("state").loc[["revised", "died"], "std_error"]
    np.testing.assert_allclose(net, theirs["std_error"], rtol=1e-10)


def test_shares_at_the_start_are_estimated_with_their_error():
    frame = stays().assign(**{"from": ["a", "b", "a", "b", "a", "b"]})
    p = fit(frame).occupation(0.5)
    assert value(p, "all: b") == pytest.approx(1 / 4)
    for variance in ("robust", "greenwood"):
        assert fit(frame).occupation(0.5, variance=variance).covariance[0, 0] == pytest.approx(
            1 / 4 * 3 / 4 / 4
        )


def test_a_start_that_is_given_is_taken():
    frame = stays()
    frame.loc[5, ["entry", "from"]] = [2.0, "b"]
    assert value(fit(frame, start="a").occupation(0.5), "all: a") == 1


def test_hips_of_one_person_are_one_cluster():
    single = stays()
    double = pd.concat([single, single.assign(id=single["id"] + 10)], ignore_index=True)
    double["person"] = double["id"] % 10
    found = fit(double, cluster="person")
    np.testing.assert_allclose(found.occupation(4).covariance, fit().occupation(4).covariance)
    np.testing.assert_allclose(fit(double).occupation(4).covariance, fit().occupation(4).covariance / 2)


def test_groups_that_share_a_person_are_correlated():
    both = pd.concat([stays().assign(side="left"), stays().assign(side="right", id=stays()["id"] + 10)])
    both["person"] = both["id"] % 10
    p = fit(both.reset_index(drop=True), by="side", cluster="person").occupation(3)
    left, right = p.position("left: a"), p.position("right: a")
    assert p.covariance[left, right] == pytest.approx(p.covariance[left, left])
    apart = fit(both.reset_index(drop=True), by="side").occupation(3)
    assert apart.covariance[left, right] == 0


# ---- checks and shows ----


def test_the_past_is_seen_where_it_matters():
    """Those revised early keep the second implant for long, those revised late do not."""
    rng = np.random.default_rng(3)
    first = rng.uniform(0, 10, 400)
    second = first + rng.exponential(np.where(first < 5, 20, 2))
    frame = multistate.from_registry(
        pd.DataFrame(
            {"id": range(400), "end": 20.0, "r1": first, "r2": np.where(second < 20, second, np.nan)}
        ),
        id="id", end="end", revisions=["r1", "r2"],
    )  # fmt: skip
    found = multistate.fit(
        frame, id="id", time="time", entry="entry", from_state="from_state", to_state="to_state"
    )
    assert found.markov.loc[0, "transition"] == "revised -> re-revised"
    assert found.markov.loc[0, "log_hazard_ratio"] > 0
    assert found.markov.loc[0, "p_value"] < 0.01
    check = next(check for check in found.checks if check.name.startswith("Markov"))
    assert check.verdict == "warn"


def test_a_state_emptied_early_is_a_warning():
    frame = pd.DataFrame(
        {
            "id": [1, 1, 2, 2, 3], "entry": [0.0, 1, 0, 3, 0], "time": [1.0, 2, 3, 5, 6],
            "from": ["a", "b", "a", "b", "a"], "to": ["b", "c", "b", "c", None],
        }
    )  # fmt: skip
    check = next(check for check in fit(frame).checks if "emptied" in check.name)
    assert check.verdict == "warn"
    assert check.observed == "all: b at 2"


def test_it_shows_itself():
    found = fit()
    assert repr(found) == "multi-state, 4 people; a -> b: 2, a -> c: 1, b -> c: 1"
    assert "a -&gt; b: 2" in found._repr_html_()
    assert "transition probability from 0 to 5" in repr(found.transition(0, 5))
    assert "<table" in found.transition(0, 5)._repr_html_()
    assert list(found.at([1, 2]).columns[-3:]) == ["group", "state", "time"]


# ---- refusals ----


def change(rows, **columns):
    def of(frame):
        for name, given in columns.items():
            frame.loc[rows, name.rstrip("_")] = given
        return frame

    return of


@pytest.mark.parametrize(
    ("alter", "more", "message"),
    [
        (change(1, entry=0.5), {}, "'id', row 1: 1; this stay begins before the person's last one ended"),
        (change(1, from_="a"), {}, "'from', row 1: a; not the state in which the person's last stay ended"),
        (change(0, to=None), {}, "'from', row 1: b; not the state in which"),
        (change(4, to="a"), {}, "'to', row 4: a; the state that 'from' has already"),
        (lambda d: d.assign(to=None), {}, "'to' is missing in every row: no one moves"),
        (lambda d: d.assign(**{"from": [None, *d["from"][1:]]}), {}, "Column 'from', row 0: missing"),
        (change(5, entry=2.0, from_="b"), {}, "come under observation in different states"),
        (lambda d: d, {"start": "aa"}, "start is 'aa', no state. Did you mean 'a'"),
        (lambda d: d, {"states": ["a", "b"]}, "holds the state 'c', which states= does not name"),
        (lambda d: d, {"states": ["a", "b", "b"]}, "names a state twice: a, b, b"),
        (lambda d: d, {"entry": None}, "stays of a person may not overlap"),
        (change(5, entry=5.0), {}, "Row 5: enters at 5"),
        (lambda d: d.assign(g=[1, 1, 1, 1, 1, 2]), {"by": "g"}, "No one in group '2' moves"),
        (lambda d: d.assign(w=[1, 2, 1, 1, 1, 1]), {"weights": "w"}, "'w', row 0: 1; a person's rows must"),
        (lambda d: d.assign(w=1, c=1), {"weights": "w", "cluster": "c"}, "weights= and cluster= together"),
        (lambda d: d, {"states": [*"abcdefghijklmnopqrstuvwxyz", *"12345"]}, "There are 31 states; expected"),
        (lambda d: d, {"interval": "loglog"}, "Did you mean 'log-log'"),
        (lambda d: d, {"level": 0}, "level is 0"),
        (lambda d: d, {"time": "tme"}, "no column 'tme'. Did you mean 'time'"),
        (change(4, time=-1.0), {}, "'time', row 4: -1.0; a time from the start"),
    ],
)  # fmt: skip
def test_refusals(alter, more, message):
    with pytest.raises(InputError, match=message):
        fit(alter(stays()), **more)


def test_a_stay_of_no_length_at_the_start_is_refused():
    frame = stays().iloc[[4, 5]].assign(time=[0.0, 5.0])
    with pytest.raises(InputError, match="a stay must last: its end must be above 0"):
        fit(frame, entry=None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.at([7]), "observed from 0 to 6; 7 lies outside"),
        (lambda m: m.mean_time(0), "0 lies outside"),
        (lambda m: m.expected_moves(5, to="d"), "no state 'd'"),
        (lambda m: m.expected_moves(5, per=0), "per is 0"),
        (lambda m: m.transition(3, 3), "Transition from 3 to 3"),
        (lambda m: m.transition(0, 3, "al"), "no group 'al'. Did you mean 'all'"),
        (lambda m: m.occupation(3, variance="ij"), "variance is 'ij'"),
    ],
)
def test_questions_that_have_no_answer_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(fit())


# ---- a registry's rows ----


def registry():
    return pd.DataFrame(
        {
            "hip": ["x", "y", "z"],
            "end": [5.0, 6, 7],
            "first": [2.0, np.nan, 1],
            "second": [3.0, np.nan, np.nan],
            "death": [5.0, np.nan, np.nan],
            "sex": ["f", "m", "f"],
        }
    )


def turned(frame, **more):
    return multistate.from_registry(
        frame, **{"id": "hip", "end": "end", "revisions": ["first", "second"], "death": "death", **more}
    )


def test_a_registrys_row_becomes_stays():
    table = turned(registry(), keep=["sex"])
    assert table["hip"].tolist() == ["x", "x", "x", "y", "z", "z"]
    assert table["entry"].tolist() == [0, 2, 3, 0, 0, 1]
    assert table["time"].tolist() == [2, 3, 5, 6, 1, 7]
    assert table["from_state"].tolist() == [
        "primary",
        "revised",
        "re-revised",
        "primary",
        "primary",
        "revised",
    ]
    assert table["to_state"].astype(object).fillna("").tolist() == [
        "revised",
        "re-revised",
        "died",
        "",
        "revised",
        "",
    ]
    assert table["sex"].tolist() == ["f", "f", "f", "m", "f", "f"]


def test_states_can_be_named_and_more_revisions_given():
    frame = registry().assign(third=[4.0, np.nan, np.nan])
    table = turned(frame, revisions=["first", "second", "third"])
    assert table["to_state"].tolist()[:4] == ["revised", "re-revised", "revised 3 times", "died"]
    named = turned(registry(), states=["A", "B", "C", "D"])
    assert named["to_state"].tolist()[:3] == ["B", "C", "D"]
    assert turned(registry(), revisions="first", death=None)["from_state"].cat.categories.tolist() == [
        "primary", "revised",
    ]  # fmt: skip


def test_events_at_one_time_can_be_set_apart():
    frame = registry()
    frame.loc[0, ["second", "death"]] = [2.0, 2.0]
    with pytest.raises(InputError, match=r"'second', row 0: 2\.0; no later than what came before it"):
        turned(frame)
    table = turned(frame, apart=0.5)
    assert table["time"].tolist()[:3] == [2, 2.5, 3]


def test_a_revision_on_the_last_day_needs_no_stay_after_it():
    frame = registry()
    frame.loc[2, "first"] = 7.0
    table = turned(frame)
    assert table[table["hip"] == "z"]["to_state"].tolist() == ["revised"]


@pytest.mark.parametrize(
    ("row", "column", "given", "message"),
    [
        (0, "second", 1.0, "'second', row 0: 1.0; before the revision of column 'first'"),
        (1, "second", 1.0, "'second', row 1: 1.0; there is no time in 'first'"),
        (2, "first", 8.0, "'first', row 2: 8.0; a revision after follow-up ended"),
        (0, "death", 9.0, "'death', row 0: 9.0; death after follow-up ended"),
        (0, "death", 2.5, "'second', row 0: 3.0; a revision after death"),
        (0, "first", 0.0, "'first', row 0: 0.0; no later than what came before"),
        (1, "end", 0.0, "'end', row 1: 0.0; follow-up must end after it begins"),
        (0, "first", -1.0, "'first', row 0: -1.0; before the primary"),
        (0, "first", np.inf, "'first', row 0: inf; expected a time"),
        (1, "hip", "x", "'hip', row 1: x; named in an earlier row"),
        (1, "end", np.nan, "'end', row 1: nan; expected the time at which follow-up ended"),
    ],
)
def test_impossible_orders_are_refused_by_row(row, column, given, message):
    frame = registry()
    frame.loc[row, column] = given
    with pytest.raises(InputError, match=message):
        turned(frame)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"revisions": []}, "revisions is empty"),
        ({"states": ["a", "b"]}, r"states names 2 states \(a, b\); expected 4 different ones"),
        ({"apart": 0.0}, "apart is 0.0"),
        ({"revisions": ["sex", "second"]}, "'sex' holds .* values; expected times from the primary"),
        ({"entry": "late"}, "'first', row 0: 2.0; a revision before observation began"),
        ({"entry": "early"}, "'early', row 0: -1.0; a time of entry cannot be negative"),
    ],
)
def test_arguments_that_cannot_be_are_refused(more, message):
    with pytest.raises(InputError, match=message):
        turned(registry().assign(late=[2.5, 0, 0], early=[-1.0, 0, 0]), **more)
