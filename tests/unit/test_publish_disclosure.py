"""The gate: every reason against publication, each given once."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from soa_evidence import reporting
from soa_evidence.errors import BuildError
from soa_evidence.publish import bundles, disclosure
from soa_evidence.publish.bundles import Bundles
from soa_evidence.results import Check, Estimates

CHECK = {
    "name": "R-hat",
    "verdict": "pass",
    "observed": "1.00",
    "expected": "below 1.01",
    "why": "convergence",
}
NUMBER = {
    "id": "risk.a", "estimand": "risk", "label": "a", "estimate": 0.04, "lower": 0.03, "upper": 0.05,
    "level": 0.95, "interval": "credible", "unit": "per person", "population": "all", "method": "m",
    "evidence": ["pack"], "checks": [{"name": "R-hat", "verdict": "pass"}], "basis": ["pack.t.1"],
}  # fmt: skip
ROWS = {
    "id": "pack.t.1", "holder": "pack", "of": "package", "table": "t", "file": "t.csv", "where": "",
    "rows": 3, "total": 3, "counted": [{"column": "n", "total": 9.0, "unit": "patients"}], "members": [],
}  # fmt: skip
HEADLINE = {"kind": "sentence", "role": "headline", "text": "It is 4%.", "html": "", "numbers": ["risk.a"]}
GOOD = Bundles(
    numbers=(NUMBER,), checks=(CHECK,), sentences=(HEADLINE,), packages=({"name": "pack"},), basis=(ROWS,)
)


def refusals(smallest=0, **changed):
    shown = {name: getattr(GOOD, name) for name in Bundles.__dataclass_fields__} | changed
    return disclosure.refusals(
        disclosure.Shown(bundles=Bundles(**shown), evidence=("pack",), smallest={"pack": smallest})
    )


def number(**changed):
    return {"numbers": (NUMBER | changed,)}


def count(value, **changed):
    return NUMBER | {"id": "n", "estimate": value, "lower": None, "upper": None, "unit": "patients"} | changed


def test_rows_that_hold_few_people_are_not_told():
    (found,) = refusals(smallest=10)
    assert found["name"] == "No small count is disclosed in the rows of 'pack', 'n'"
    assert (found["observed"], found["expected"]) == ("9.0", "0 or at least 10")
    assert refusals(smallest=9) == []


def test_a_whole_report_passes():
    assert refusals() == []


@pytest.mark.parametrize(
    ("changed", "name", "observed"),
    [
        ({"checks": (CHECK | {"verdict": "fail", "observed": "1.2"},)}, "R-hat", "1.2"),
        (number(checks=[{"name": "ESS", "verdict": "fail"}]), "ESS", "failed for number 'risk.a'"),
        ({"checks": ()}, "The report shows checks", "none"),
        ({"numbers": (), "sentences": (HEADLINE | {"numbers": []},)}, "The report shows numbers", "none"),
        ({"sentences": (HEADLINE | {"role": "text"},)}, "The report shows headline sentence", "none"),
        ({"packages": ()}, "The report shows evidence used", "none"),
        (number(checks=[]), "Number 'risk.a' is complete", "without checks"),
        (number(lower=None, upper=None), "Number 'risk.a' is complete", "without lower, upper"),
        (number(interval=None), "Number 'risk.a' is complete", "without interval"),
        (number(evidence=[]), "Number 'risk.a' is complete", "without evidence"),
        (number(population=""), "Number 'risk.a' is complete", "without population"),
        (number(estimate=float("nan")), "Number 'risk.a' is finite", "estimate = nan"),
        (number(upper=float("inf")), "Number 'risk.a' is finite", "upper = inf"),
        (number(estimate="NaN"), "Number 'risk.a' is finite", "estimate = NaN"),
        (number(lower=0.06), "The interval of 'risk.a' is in order", "0.06 to 0.05"),
        (number(evidence=["pack", "other"]), "Number 'risk.a' rests on declared evidence", "names other"),
        (number(basis=[]), "Number 'risk.a' names the rows it rests on", "no row of pack"),
        (number(basis=["another"]), "Number 'risk.a' names the rows it rests on", "no row of pack"),
        (
            {"basis": (ROWS | {"rows": 0},)},
            "Number 'risk.a' names the rows it rests on",
            "no row of pack",
        ),
        (
            {"basis": (ROWS | {"of": "report"},)},
            "Number 'risk.a' names the rows it rests on",
            "no row of pack",
        ),
        ({"packages": ({"name": "x"},)}, "Evidence 'pack' is shown", "declared in the catalogue, not shown"),
        (number(id="../x"), "Ids can be file names and links", "'../x'"),
        ({"figures": ({"id": "a/b"},)}, "Ids can be file names and links", "'a/b'"),
        (
            {"sentences": (HEADLINE | {"numbers": ["risk.b"]},)},
            "Every number in a sentence is published",
            "risk.b in “It is 4%.…”",
        ),
        (
            {"numbers": (NUMBER, NUMBER | {"estimate": 0.041})},
            "Number 'risk.a' has one value",
            "shown twice with different estimate",
        ),
    ],
)
def test_a_fault_is_a_reason_against_publication(changed, name, observed):
    found = {r["name"]: r["observed"] for r in refusals(**changed)}
    assert found[name] == observed


def test_a_warning_is_published():
    assert refusals(checks=(CHECK | {"verdict": "warn"},)) == []


def test_a_plain_count_needs_neither_interval_nor_checks():
    assert refusals(numbers=(NUMBER, count(272, checks=[]))) == []


def test_a_probability_needs_no_interval_but_checks():
    probability = count(0.82, unit="probability", estimand="posterior probability of fewer")
    assert refusals(numbers=(NUMBER, probability)) == []
    (found,) = refusals(numbers=(NUMBER, probability | {"checks": []}))
    assert found["observed"] == "without checks"


def test_a_rate_without_interval_is_no_count():
    (found,) = refusals(numbers=(NUMBER, count(3.5)))
    assert found["observed"] == "without lower, upper"


@pytest.mark.parametrize(("value", "refused"), [(0, False), (4, True), (5, False)])
def test_a_small_count_of_people_is_not_disclosed(value, refused):
    found = refusals(smallest=5, numbers=(NUMBER, count(value)))
    assert [r["expected"] for r in found] == (["0 or at least 5"] if refused else [])


def test_a_small_count_of_hospitals_is_no_secret():
    assert refusals(smallest=5, numbers=(NUMBER, count(3, unit="hospitals"))) == []


def test_a_small_count_in_a_table_is_not_disclosed():
    table = {
        "kind": "table",
        "id": "t",
        "title": "T",
        "csv": "who,n\na,4\nb,50\nc,\n",
        "units": {"n": "count"},
    }
    (found,) = refusals(smallest=5, tables=(table,))
    assert found["name"] == "No small count is disclosed in table 't', column 'n'"


def test_a_small_count_in_a_table_of_a_notebook_is_not_disclosed():
    frame = pd.DataFrame({"who": ["a", "b"], "n": [4, 50], "rate": [1.0, 2.0]})
    units = {"n": "patients", "rate": "per 1,000 patients"}
    table = reporting.table(frame, id="t", title="T", units=units).bundle()[bundles.MIME]
    (found,) = refusals(smallest=5, tables=(table,))
    assert found["observed"] == "4"
    assert refusals(smallest=4, tables=(table,)) == []


def test_the_smallest_count_is_read_from_the_package(tmp_path):
    for name, content in (("a", {"soa:smallestCount": 8}), ("b", {})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "datapackage.json").write_text(json.dumps(content))
    assert disclosure.smallest_counts(tmp_path, ("a", "b")) == {"a": 8.0, "b": 10.0}


def executed(*payloads):
    outputs = [{"output_type": "display_data", "data": {bundles.MIME: payload}} for payload in payloads]
    return SimpleNamespace(cells=[{"outputs": outputs}, {"source": "markdown"}])


def test_collects_each_kind_once_and_the_ledger_of_sentences():
    second = NUMBER | {"id": "risk.b"}
    found = bundles.collect(
        executed(
            {"kind": "numbers", "numbers": [NUMBER]},
            {"kind": "numbers", "numbers": [NUMBER]},
            {"kind": "checks", "checks": [CHECK]},
            {"kind": "evidence", "packages": [{"name": "pack"}]},
            HEADLINE | {"ledger": [NUMBER, second]},
        )
    )
    assert [n["id"] for n in found.numbers] == ["risk.a", "risk.b"]
    assert (len(found.checks), len(found.packages), len(found.headlines)) == (1, 1, 1)


def test_refuses_a_kind_it_does_not_know():
    with pytest.raises(BuildError, match=r"kind 'number'. Did you mean 'numbers'\?"):
        bundles.collect(executed({"kind": "number"}))


def derived_of(frame, units=None):
    """The bundle of a derived result, as a notebook shows it."""
    made = reporting.derived(frame, id="units", title="Units", units=units)
    return made.bundle()[bundles.MIME]


@pytest.mark.parametrize(
    ("frame", "units", "where"),
    [
        ({"answered": [40, 3]}, {"answered": "patients"}, "derived result 'units', column 'answered'"),
        ({"events": [0, 4]}, None, "derived result 'units', column 'events'"),
        ({"events": [0.0, 4.0]}, {"events": "patients"}, "derived result 'units', column 'events'"),
    ],
)
def test_a_derived_result_counts_enough_people(frame, units, where):
    told = refusals(smallest=5, derived=(derived_of(pd.DataFrame(frame), units),))
    assert [found["name"] for found in told] == [f"No small count is disclosed in {where}"]
    assert told[0]["expected"] == "0 or at least 5"


@pytest.mark.parametrize(
    ("frame", "units", "smallest"),
    [
        ({"events": [0, 5]}, None, 5),
        ({"events": [1, 2]}, None, 0),
        ({"events": [float("nan"), 9]}, {"events": "patients"}, 5),
        ({"rank": [1, 2]}, None, 5),
        ({"events": [1.2]}, {"events": "per 1,000 patients"}, 5),
    ],
)
def test_a_derived_result_with_no_small_count_passes(frame, units, smallest):
    assert refusals(smallest=smallest, derived=(derived_of(pd.DataFrame(frame), units),)) == []


def test_draws_published_for_others_count_nobody():
    draws = Estimates(
        estimand="risk", labels=("n",), unit="probability", method="m", draws=[[1.0], [2.0]],
        interval="credible", checks=(Check(**CHECK),),
    )  # fmt: skip
    assert refusals(smallest=5, derived=(derived_of(draws),)) == []
