"""Frailty, multi-state processes and regression of rates: small cases by hand, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence import survival
from soa_evidence.errors import InputError

RNG = np.random.default_rng(1)
PEOPLE = pd.DataFrame(
    {
        "t": RNG.exponential(2, 60) + 0.01,
        "e": RNG.integers(0, 2, 60),
        "u": np.repeat(list("abcdef"), 10),
        "x": RNG.normal(size=60),
    }
)
COUNTS = pd.DataFrame({"d": [1, 4, 0, 7], "y": [10.0, 20, 5, 30], "g": list("aabb")})
STAYS = pd.DataFrame(
    {
        "id": [1, 1, 2, 3],
        "a": [0.0, 2, 0, 0],
        "b": [2.0, 5, 3, 4],
        "f": ["P", "R", "P", "P"],
        "g": ["R", None, "D", None],
    }
)


def frailty(frame=PEOPLE, **more):
    return survival.frailty.fit(
        frame, **{"time": "t", "event": "e", "unit": "u", "covariates": ["x"], **more}
    )


def rates(frame=COUNTS, **more):
    return survival.rate_regression.fit(frame, **{"events": "d", "years": "y", "covariates": ["g"], **more})


def states(frame=STAYS, **more):
    named = {"id": "id", "entry": "a", "time": "b", "from_state": "f", "to_state": "g"}
    return survival.multistate.fit(frame, **{**named, **more})


def test_three_people_in_three_states_by_hand():
    found = states().at([2.0, 3.0, 4.0]).set_index(["time", "state"])["estimate"]
    # at 2 one of three is revised; at 3 one of the two still there dies
    assert [found[2.0, s] for s in "PRD"] == pytest.approx([2 / 3, 1 / 3, 0])
    assert [found[3.0, s] for s in "PRD"] == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert [found[4.0, s] for s in "PRD"] == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_a_rate_ratio_of_two_groups_is_the_ratio_of_their_rates():
    found = rates(reference={"g": "a"}).log_rate_ratio.table(transform="exp").iloc[0]
    assert found["estimate"] == pytest.approx((7 / 35) / (5 / 30))
    assert found["std_error"] == pytest.approx(np.sqrt(1 / 5 + 1 / 7))


def test_units_that_do_not_differ_have_no_frailty_and_the_coefficients_of_cox():
    alike = PEOPLE.assign(u=np.tile(list("abcdef"), 10))
    found = frailty(alike)
    plain = survival.cox.fit(alike, time="t", event="e", covariates=["x"])
    assert found.theta == 0
    assert found.log_hazard_ratio.mean == pytest.approx(plain.log_hazard_ratio.mean, abs=1e-6)
    assert (found.units()["estimate"] == 1).all()


def test_units_that_differ_have_frailties_within_their_intervals():
    early = PEOPLE.assign(t=PEOPLE["t"] * np.repeat([0.05, 0.2, 1, 2, 5, 9], 10), e=1)
    found = frailty(early)
    table = found.units()
    assert found.theta > 0.1
    assert (table["lower"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["upper"]).all()
    assert table["estimate"].iloc[0] > 1 > table["estimate"].iloc[-1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frailty(PEOPLE.assign(u="a")), "holds one unit only; a frailty needs at least two"),
        (lambda: frailty(PEOPLE.assign(e=0)), "no event in any row"),
        (lambda: frailty(distribution="normal"), "Did you mean 'log_normal'"),
        (lambda: frailty(unit="uu"), "no column 'uu'. Did you mean 'u'"),
        (lambda: frailty(PEOPLE.assign(u=[None, *PEOPLE["u"][1:]])), "Column 'u', row 0: missing"),
        (lambda: frailty(PEOPLE.assign(x=1.0)), "'x' is 1 in every row"),
        (lambda: frailty(strata="u"), "cannot be told from the stratum's baseline hazard"),
        (lambda: rates(COUNTS.assign(y=0.0)), "row 0: 0.0; time under observation must be above 0"),
        (lambda: rates(COUNTS.assign(d=[-1, 4, 0, 7])), "row 0: -1; expected a whole number of events"),
        (lambda: rates(COUNTS.assign(d=[0.5, 4, 0, 7])), "row 0: 0.5; expected a whole number of events"),
        (lambda: rates(COUNTS.assign(d=0)), "no event in any row"),
        (lambda: rates(COUNTS.assign(d=[0, 0, 1, 2])), "no events at level 'a' of 'g'"),
        (lambda: rates(family="gamma"), "family is 'gamma'. Expected one of"),
        (lambda: rates(COUNTS.assign(h=COUNTS["g"]), covariates=["g", "h"]), "determine one another"),
        (lambda: states(STAYS.assign(a=[0.0, 1, 0, 0])), "row 1: 1; this stay begins before"),
        (lambda: states(STAYS.assign(f=["P", "D", "P", "P"])), "row 1: D; not the state in which"),
        (lambda: states(states=["P", "D"]), "holds the state 'R', which states= does not name"),
        (lambda: states(STAYS.assign(g=None)), "no one moves, so nothing can be estimated"),
        (lambda: states(STAYS.assign(g=["R", None, "P", None])), "row 2: P; the state that 'f' has already"),
        (lambda: states(start="X"), "start is 'X', no state. States: P, R, D"),
    ],
)
def test_what_is_refused_is_refused_by_name(call, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?").replace(".", r"\.")):
        call()
