import numpy as np
import pytest

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.bundle import MIME
from soa_evidence.results import Check, Estimates

CHECK = Check(name="R-hat", verdict="pass", observed="1.00", expected="at most 1.01", why="Chains agree.")
REST = {"population": "all patients", "evidence": ["nhs-proms-units"]}


def estimates(mean=(-0.004, 0.002), sd=(0.003, 0.0005), labels=("specialist orthopaedic", "small <b>")):
    return Estimates(
        estimand="risk difference",
        labels=labels,
        unit="probability",
        method="units.binomial",
        interval="credible",
        checks=(CHECK,),
        mean=np.array(mean),
        covariance=np.diag(np.square(sd)),
    )


def number(estimate, lower=None, upper=None, unit="per 1,000", **more):
    return reporting.number(
        estimate, id="x", estimand="e", unit=unit, method="m", lower=lower, upper=upper, **{**REST, **more}
    )


def test_numbers_are_scaled_named_and_carry_what_they_rest_on():
    made = reporting.numbers(estimates(), id="difference", unit="per 1,000 patients", scale=1000, **REST)
    assert list(made) == ["difference.specialist-orthopaedic", "difference.small-b"]
    record = made["difference.specialist-orthopaedic"].record()
    assert record["estimate"] == pytest.approx(-4)
    assert record["lower"] == pytest.approx(-4 - 1.959963985 * 3)
    assert record["level"] == 0.95
    assert record["interval"] == "credible"
    assert record["method"] == "units.binomial"
    assert record["checks"] == [{"name": "R-hat", "verdict": "pass"}]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", "−4"),
        ("interval", "−9 to 2"),
        ("between", "between −9 and 2"),
        ("both", "−4 (−9 to 2)"),
        ("lower", "−9"),
        ("upper signed", "+2"),
        ("abs", "4"),
        ("fewer", "4 fewer"),
        ("fewer both", "4 fewer (9 fewer to 2 more)"),
        (".1", "−4.1"),
        ("both unit", "−4 (−9 to 2) per 1,000"),
    ],
)
def test_a_number_is_written_as_asked(spec, text):
    assert number(-4.1, -9.2, 1.9).text(spec) == text


@pytest.mark.parametrize(
    ("lower", "upper", "decimals"), [(-9, 2, 0), (0, 10, 0), (0, 9.99, 1), (0.85, 1.15, 2), (100, 400, 0)]
)
def test_decimals_follow_the_width_of_the_interval(lower, upper, decimals):
    assert formats.decimals_for(lower, upper) == decimals


def test_signs_and_percentages_say_what_is_true():
    assert formats.fixed(-0.04, 1) == "0.0"
    assert formats.fixed(-1234.5, 0) == "−1,234"
    assert formats.currency("£", formats.fixed(-3626, 0)) == "−£3,626"
    assert formats.currency("£", formats.fixed(5, 0, signed=True)) == "+£5"
    assert formats.currency("£", "241 (50 to 430)") == "£241 (50 to 430)"
    assert formats.percent(0.713) == "71%"
    assert formats.percent(0.9996) == "more than 99%"
    assert formats.percent(0.0004) == "less than 1%"
    assert formats.percent(1.0) == "100%"
    assert number(0.713, unit="probability").text() == "71%"
    assert number(0.713, 0.70, 0.73, unit="probability").text("both") == "71.3% (70.0% to 73.0%)"


def test_an_interval_across_nothing_is_never_shown_without_signs():
    with pytest.raises(InputError, match="without signs its interval would mislead"):
        number(-4, -9, 2).text("abs interval")
    assert number(-4, -12, -2).text("abs interval") == "2 to 12"


def test_a_misspelt_spec_names_the_nearest():
    with pytest.raises(InputError, match=r"cannot be shown as 'intervall'.*Did you mean 'interval'"):
        number(-4, -9, 2).text("intervall")


def test_a_number_without_interval_cannot_show_one():
    with pytest.raises(InputError, match="'x' has no interval"):
        number(3).text("both")


def test_ledgers_join_and_refuse_two_numbers_of_one_id():
    one, other = number(3), number(4)
    assert list(one | number(3)) == ["x"]
    with pytest.raises(InputError, match="Two different numbers are called 'x'"):
        one | other


def test_an_unknown_number_names_the_nearest_and_is_a_key_error():
    made = reporting.numbers(estimates(), id="difference", unit="per 1,000", scale=1000, **REST)
    with pytest.raises(KeyError, match=r"Did you mean 'difference\.small-b'"):
        made["difference.smal-b"]
    assert "difference.smal-b" not in made
    assert made.get("nothing") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 1000}, "transformed or scaled; give the unit="),
        ({"scale": -1, "unit": "u"}, "scale -1; expected a finite number above 0"),
        ({"evidence": []}, "name no evidence"),
        ({"evidence": "nhs-proms-units"}, "expected a list of packages"),
        ({"population": " "}, "names no population"),
        ({"id": "Risk!"}, "is called 'Risk!"),
        ({"estimand_kind": "this unit"}, "expected 'these units' or 'units as a kind'"),
    ],
)
def test_numbers_that_lack_something_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        reporting.numbers(estimates(), **{"id": "risk", **REST, **change})


def test_labels_that_become_one_id_are_refused():
    with pytest.raises(InputError, match=r"Two different numbers are called 'risk.a-b'"):
        reporting.numbers(estimates(labels=("a b", "a-b")), id="risk", **REST)


def test_a_number_names_its_method():
    with pytest.raises(InputError, match="names no method"):
        reporting.number(1, id="x", estimand="e", unit="u", **REST)
    like = reporting.number(1, id="x", estimand="e", unit="u", like=estimates(), **REST)
    assert (like.method, like.checks) == ("units.binomial", (CHECK,))


def test_a_ledger_shows_itself_escaped_and_linked():
    made = reporting.numbers(estimates(), id="difference", unit="per 1,000", scale=1000, **REST)
    shown = made._repr_mimebundle_(include=None, exclude=None)
    assert 'href="#number-difference.small-b"' in shown["text/html"]
    assert "small &lt;b&gt;" in shown["text/html"]
    assert [n["id"] for n in shown[MIME]["numbers"]] == list(made)
    assert set(made.frame().columns) >= {"id", "estimand", "estimate", "unit", "checks"}


def test_what_is_measured_and_not_counted_is_less_rather_than_fewer():
    assert number(-0.02, -0.031, 0.004, unit="of the index").text("fewer both") == (
        "0.020 less (0.031 less to 0.004 more)"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-2.3 to 1", "−2.3 to 1"),
        ("1 to -2 (-.5)", "1 to −2 (−.5)"),
        ("−2", "−2"),
        ("2016-17", "2016-17"),
        ("EQ-5D, 50-59, 1.-2", "EQ-5D, 50-59, 1.-2"),
        ("--2 - 3", "--2 - 3"),
    ],
)
def test_a_hyphen_before_a_figure_is_a_minus_and_no_other_is(text, shown):
    assert formats.true_minus(text) == shown
