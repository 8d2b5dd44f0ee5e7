"""Parameters and inputs: moments, joint draws, price years; every refusal says what is wrong."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.economics import carried, inputs, parameters, price_index
from soa_evidence.economics.price_index import PriceIndex
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, Estimates
from tests.unit.economics_toys import POUNDS, SAID

CHECK = (Check(name="a", verdict="pass", observed="1", expected="1", why="a test"),)
P = {"unit": "probability", **SAID}
U = {"unit": "utility", **SAID}
LOG = {"unit": "log hazard", **SAID}
INDEX = PriceIndex(name="an index", source="a table", values={"2006/07": 200.0, "2016/17": 250.0})
#: Draws for moments; tolerances below are several Monte Carlo errors.
N = 20000


def estimates(**changes):
    usual = {
        "estimand": "log ratio",
        "labels": ("a", "b"),
        "unit": "log ratio",
        "method": "m",
        "interval": "confidence",
        "checks": CHECK,
        "mean": np.array([0.1, 0.2]),
        "covariance": np.array([[0.04, 0.01], [0.01, 0.09]]),
    }
    return Estimates(**{**usual, **changes})


def curve(estimand="survival", estimate=(0.95, 0.90), error=(0.01, 0.015)):
    value, se = np.array(estimate), np.array(error)
    return Curve(
        estimand=estimand,
        label="all",
        time_unit="years",
        method="km",
        time=np.array([5.0, 10.0]),
        estimate=value,
        lower=value - 2 * se,
        upper=value + 2 * se,
        std_error=se,
        at_risk=np.array([90.0, 50.0]),
        events=np.array([5.0, 4.0]),
        level=0.95,
        interval="confidence",
        checks=CHECK,
    )


@pytest.mark.parametrize(
    ("made", "mean", "sd"),
    [
        (parameters.beta("a", events=4, of=100, **P), 0.04, np.sqrt(0.04 * 0.96 / 101)),
        (parameters.beta("a", mean=0.85, std_error=0.03, **U), 0.85, 0.03),
        (parameters.gamma("a", mean=5294, std_error=1487, **POUNDS), 5294, 1487),
        (parameters.normal("a", mean=[2.0], std_error=0.5, **LOG), 2.0, 0.5),
    ],
)
def test_draws_have_the_moments_that_were_asked_for(made, mean, sd):
    drawn = made.draw(N, seed=3)[:, 0]
    assert made.centre[0] == pytest.approx(mean)
    assert drawn.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(N))
    assert drawn.std() == pytest.approx(sd, rel=0.03)


def test_the_median_of_a_log_normal_is_its_estimate_and_its_limits_come_back():
    made = parameters.log_normal("a", estimate=0.8, lower=0.6, upper=0.8**2 / 0.6, unit="ratio", **SAID)
    assert np.median(made.draw(N, seed=1)) == pytest.approx(0.8, rel=0.01)
    assert [made.lower[0], made.upper[0]] == pytest.approx([0.6, 0.8**2 / 0.6])


def test_a_joint_normal_has_its_covariance():
    matrix = np.array([[0.04, -0.03], [-0.03, 0.09]])
    drawn = parameters.normal(["a", "b"], mean=[1, 2], covariance=matrix, **LOG).draw(N, seed=5)
    np.testing.assert_allclose(np.cov(drawn.T), matrix, rtol=0.05)


def test_a_covariance_without_full_rank_is_drawn_all_the_same():
    drawn = parameters.normal(["a", "b"], mean=[0, 0], covariance=[[1, 1], [1, 1]], **LOG).draw(50, seed=5)
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 1], atol=1e-7)


def test_shares_add_up():
    made = parameters.dirichlet(["a", "b", "c"], counts=[1, 2, 7], unit="probability", **SAID)
    np.testing.assert_allclose(made.draw(100, seed=1).sum(axis=1), 1)
    assert made.centre.tolist() == [0.1, 0.2, 0.7]


def test_draws_of_another_method_keep_their_rows():
    rows = np.arange(12.0).reshape(6, 2)
    one = carried.estimates("x", estimates(mean=None, covariance=None, draws=rows).select(["a"]), **SAID_ONLY)
    two = carried.estimates("y", estimates(mean=None, covariance=None, draws=rows).select(["b"]), **SAID_ONLY)
    joined = inputs.assemble(one, two)
    for n in (3, 6, 40):  # fewer, as many, more with replacement: always the same state of the world
        drawn = joined.draw(n, seed=9)
        np.testing.assert_array_equal(drawn["y"] - drawn["x"], 1)
    np.testing.assert_array_equal(joined.draw(6, seed=9)["x"], rows[:, 0])


SAID_ONLY = {"source": "a fit", "kind": "measured"}


def test_moments_of_another_method_are_drawn_jointly_and_may_change_sign():
    made = carried.estimates(["x", "y"], estimates(), negate=True, **SAID_ONLY)
    drawn = made.draw(N, seed=2)
    np.testing.assert_allclose(drawn.mean(axis=0), [-0.1, -0.2], atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), estimates().covariance, atol=0.002)
    assert (made.lower < made.centre).all()
    assert (made.centre < made.upper).all()


def test_a_t_is_drawn_as_the_normal_with_the_same_limits_because_its_exponential_has_no_mean():
    made = carried.estimates(["x", "y"], estimates(dof=3.0), **SAID_ONLY)
    assert "t with 3 degrees of freedom" in made.source
    table = estimates(dof=3.0).table()
    low, high = np.quantile(made.draw(N, seed=2), [0.025, 0.975], axis=0)
    np.testing.assert_allclose(low, table["lower"], atol=0.05)
    np.testing.assert_allclose(high, table["upper"], atol=0.05)


def test_a_curve_becomes_log_hazards_by_the_delta_method():
    made = carried.curve(["h5", "h10"], curve(), [5, 10], **SAID_ONLY)
    hazard = -np.log([0.95, 0.90])
    np.testing.assert_allclose(made.centre, np.log(hazard))
    np.testing.assert_allclose(
        made.upper - made.centre, 1.96 * np.array([0.01 / 0.95, 0.015 / 0.9]) / hazard, rtol=1e-4
    )


def test_a_published_share_becomes_a_yearly_probability():
    made = carried.yearly_probability("p", share=0.19, lower=0.15, upper=0.23, years=2, **SAID)
    assert made.centre[0] == pytest.approx(1 - np.sqrt(0.81))


def test_a_ratio_with_limits_becomes_its_logarithm():
    made = carried.log_ratio("r", ratio=1.0, lower=0.5, upper=2.0, **SAID)
    assert made.centre[0] == 0
    assert made.upper[0] == pytest.approx(np.log(2))


def test_adding_a_parameter_moves_no_other_draw():
    a = parameters.beta("a", events=4, of=100, **P)
    alone = inputs.assemble(a).draw(5, seed=1)["a"]
    with_more = inputs.assemble(parameters.beta("b", events=4, of=100, **P), a).draw(5, seed=1)
    np.testing.assert_array_equal(alone, with_more["a"])
    assert not np.allclose(with_more["a"], with_more["b"])


def test_prices_come_to_one_year_by_the_index():
    old = parameters.gamma("old", mean=100, std_error=10, unit="GBP", price_year="2006/07", **SAID)
    new = parameters.fixed("new", 50, **POUNDS)
    joined = inputs.assemble(old, new, price_year="2016/17", index=INDEX)
    assert joined.values()["old"][0] == pytest.approx(100 * 250 / 200)
    assert joined.values()["new"][0] == 50
    assert joined.draw(N, seed=1)["old"].mean() == pytest.approx(125, rel=0.01)
    row = joined.table().set_index("name").loc["old"]
    assert row["price_year"] == "2016/17"
    assert "an index" in row["source"]


def test_a_price_that_was_moved_is_told_again_after_another_is_exchanged():
    old = parameters.gamma("old", mean=100, std_error=10, unit="GBP", price_year="2006/07", **SAID)
    joined = inputs.assemble(old, parameters.fixed("new", 50, **POUNDS), price_year="2016/17", index=INDEX)
    again = joined.replaced(parameters.fixed("new", 60, **POUNDS))
    assert again.values()["old"][0] == pytest.approx(125)
    for one in (joined, again):
        told = next(check.observed for check in one.checks if check.name == "one price year")
        assert "old moved by" in told
    assert "none had to be moved" in inputs.assemble(parameters.fixed("new", 50, **POUNDS)).checks[0].observed


CHANGES = pd.DataFrame({"y": ["2017/18", "2016/17", "2018/19"], "c": [-1.0, 2.0, 3.0]})
CHAINED = {"year": "y", "change_percent": "c", "name": "i", "source": "a user's own table"}


def test_yearly_changes_chain_to_an_index_whatever_their_order():
    made = price_index.chain(CHANGES, **CHAINED)
    assert list(made.values) == ["2015/16", "2016/17", "2017/18", "2018/19"]
    assert made.factor("2015/16", "2018/19") == pytest.approx(1.02 * 0.99 * 1.03)
    assert made.factor("2018/19", "2016/17") == pytest.approx(1 / (0.99 * 1.03))
    assert made.factor("2017/18", "2017/18") == 1
    turned = price_index.chain(pd.DataFrame({"y": ["1999/00"], "c": [1.0]}), **CHAINED)
    assert list(turned.values) == ["1998/99", "1999/00"]


def test_inputs_show_themselves():
    joined = inputs.assemble(parameters.beta("a", events=4, of=100, **P))
    assert "1 parameters" in repr(joined)
    assert "<table" in joined._repr_html_()


BAD = [
    (lambda: parameters.fixed("a", 1.2, **P), "probability of 1.2"),
    (lambda: parameters.fixed("a", 1.2, **U), "utility of 1.2"),
    (lambda: parameters.fixed("a", float("nan"), **P), "expected a finite number"),
    (lambda: parameters.fixed("a b", 1, **P), "expected names of letters"),
    (lambda: parameters.fixed("a", 1, unit="", **SAID), "has no unit"),
    (lambda: parameters.fixed("a", 1, unit="years", source=" ", kind="assumed"), "has no source"),
    (lambda: parameters.fixed("a", 1, unit="years", source="s", kind="assummed"), "Did you mean 'assumed'"),
    (lambda: parameters.fixed("a", 1, unit="GBP", **SAID), "without the year of its prices"),
    (
        lambda: parameters.fixed("a", 1, unit="years", price_year="2016/17", **SAID),
        "nothing else has a price year",
    ),
    (lambda: parameters.beta("a", events=100, of=100, **P), "fewer than all"),
    (lambda: parameters.beta("a", events=0, of=100, **P), "more than 0"),
    (lambda: parameters.beta("a", events=1, **P), "either events= and of="),
    (lambda: parameters.beta("a", mean=1.1, std_error=0.1, **P), "above 0 and below 1"),
    (lambda: parameters.beta("a", mean=0.5, std_error=0.6, **P), "which no beta with mean 0.5"),
    (lambda: parameters.gamma("a", mean=-5, std_error=1, **POUNDS), "expected both above 0"),
    (lambda: parameters.gamma("a", mean=5, std_error=0, **POUNDS), "use fixed"),
    (lambda: parameters.log_normal("a", estimate=-1, log_error=0.1, **LOG), "a ratio is above 0"),
    (
        lambda: parameters.log_normal("a", estimate=1, lower=1.1, upper=2, **LOG),
        "0 < lower < estimate < upper",
    ),
    (lambda: parameters.log_normal("a", estimate=1, **LOG), "either log_error="),
    (lambda: parameters.log_normal("a", estimate=1, log_error=0.0, **LOG), "expected a number above 0"),
    (lambda: parameters.log_normal("a", estimate=1, log_error=0.1, level=95, **LOG), "such as 0.95"),
    (lambda: parameters.normal("a", mean=[1], **LOG), "either covariance="),
    (lambda: parameters.normal(["a", "b"], mean=[1, 2], std_error=1, **LOG), "expected one parameter"),
    (lambda: parameters.normal(["a", "b"], mean=[1], covariance=np.eye(2), **LOG), "do not fit 2 names"),
    (
        lambda: parameters.normal(["a", "b"], mean=[1, 2], covariance=[[1, 0.2], [0.3, 1]], **LOG),
        "0.2 one way and 0.3 the other",
    ),
    (
        lambda: parameters.normal(["a", "b"], mean=[1, 2], covariance=[[1, 7], [7, 1]], **LOG),
        "correlation of size 7",
    ),
    (
        lambda: parameters.normal(["a", "b"], mean=[1, 2], covariance=[[1, 0], [0, -1]], **LOG),
        "variance of 'b' is -1",
    ),
    (
        lambda: parameters.normal(
            ["a", "b", "c"], mean=[0, 0, 0], covariance=[[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], **LOG
        ),
        "negative eigenvalue",
    ),
    (lambda: parameters.normal("a", mean=[np.nan], covariance=[[1]], **LOG), "not finite"),
    (lambda: parameters.dirichlet(["a", "b"], counts=[1, -1], **P), "count of 'b' is -1"),
    (lambda: parameters.dirichlet(["a", "b"], counts=[1], **P), "expected one each"),
    (lambda: parameters.dirichlet(["a", "a"], counts=[1, 1], **P), "repeat a name"),
    (lambda: parameters.beta("a", events=1, of=9, **P).draw(0, seed=1), "at least 1"),
    (lambda: carried.estimates("x", estimates(), **SAID_ONLY), r"1 name\(s\) were given for 2 label"),
    (lambda: carried.estimates("x", estimates(), labels=["A"], **SAID_ONLY), "has no label 'A'"),
    (
        lambda: carried.curve(["x"], curve("cumulative incidence", (0.05, 0.1)), [5], **SAID_ONLY),
        "cannot drive",
    ),
    (lambda: carried.curve(["x"], curve(), [5, 10], **SAID_ONLY), "expected one each"),
    (lambda: carried.curve(["x"], curve(estimate=(1.0, 0.9)), [5], **SAID_ONLY), "some, but not all"),
    (
        lambda: carried.curve(["x"], curve("cumulative hazard", (0.0, 0.1)), [5], **SAID_ONLY),
        "has no event",
    ),
    (lambda: carried.yearly_probability("p", share=1.9, lower=1.5, upper=2, years=2, **SAID), "0 < lower"),
    (
        lambda: carried.yearly_probability("p", share=0.2, lower=0.1, upper=0.3, years=0, **SAID),
        "a time above 0",
    ),
    (lambda: carried.log_ratio("p", ratio=1, lower=2, upper=3, **SAID), "0 < lower < ratio"),
    (lambda: inputs.assemble(), "no parameter"),
    (lambda: inputs.assemble(3), "expected what economics.parameters makes"),
    (
        lambda: inputs.assemble(parameters.fixed("a", 1, **U), parameters.fixed("a", 1, **U)),
        "given more than once",
    ),
    (
        lambda: inputs.assemble(
            parameters.fixed("a", 1, **POUNDS),
            parameters.fixed("b", 1, unit="GBP", price_year="2006/07", **SAID),
        ),
        "Prices are of different years",
    ),
    (lambda: inputs.assemble(parameters.fixed("a", 1, **POUNDS), price_year="2001/02"), "asked for: 2001/02"),
    (
        lambda: inputs.assemble(parameters.fixed("a", 1, **POUNDS), price_year="2006", index=INDEX),
        "no value for 2006",
    ),
    (lambda: price_index.chain(CHANGES, **{**CHAINED, "year": "z"}), "no column 'z'"),
    (lambda: price_index.chain(CHANGES.iloc[:0], **CHAINED), "given no year"),
    (lambda: price_index.chain(CHANGES.iloc[[0, 0]], **CHAINED), "2017/18 twice"),
    (lambda: price_index.chain(CHANGES.iloc[[1, 2]], **CHAINED), "to 2018/19 without 2017/18"),
    (
        lambda: price_index.chain(CHANGES.assign(y="2016"), **CHAINED),
        "holds '2016'; expected financial years",
    ),
    (lambda: price_index.chain(CHANGES.assign(y="2016/18"), **CHAINED), "holds '2016/18'"),
    (lambda: price_index.chain(CHANGES.assign(c=-100.0), **CHAINED), "changes by -100.0 per cent"),
    (lambda: price_index.chain(CHANGES.assign(c=np.nan), **CHAINED), "changes by nan per cent"),
    (lambda: price_index.chain(CHANGES, **{**CHAINED, "source": " "}), "has no source"),
    (lambda: PriceIndex(name="i", source="", values={}), "has no source"),
    (lambda: PriceIndex(name="i", source="s", values={"2006": 0}), "is 0 in 2006"),
    (lambda: inputs.assemble(parameters.fixed("a", 1, **U)).parameter("aa"), "Did you mean|Known: a"),
    (
        lambda: inputs.assemble(
            parameters.normal("a", mean=[0.5], std_error=2, unit="probability", **SAID)
        ).draw(200, seed=1),
        "use a beta",
    ),
    (
        lambda: inputs.assemble(parameters.normal("a", mean=[5], std_error=20, **POUNDS)).draw(200, seed=1),
        "Use a gamma",
    ),
    (
        lambda: inputs.assemble(
            parameters.normal(["a", "b"], mean=[1, 2], covariance=np.eye(2), **LOG)
        ).replaced(parameters.fixed("a", 1, **LOG)),
        "would drop b",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()
