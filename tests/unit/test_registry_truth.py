import numpy as np
import pytest

from soa_evidence import evidence
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates

CHECK = Check(name="c", verdict="pass", observed="o", expected="e", why="w")
LABELS = ("specialist orthopaedic", "NHS general, smaller")


def estimates(mean, sd, labels=LABELS):
    return Estimates(
        estimand="e", labels=labels, unit="u", method="m", mean=np.asarray(mean, float),
        covariance=np.eye(len(labels)) * sd**2, interval="confidence", checks=(CHECK,),
    )  # fmt: skip


@pytest.fixture(scope="module")
def registry():
    return evidence.registry.load("syn-registry", size=2_000, seed=3)


def test_what_was_found_stands_beside_what_is_true(registry):
    truth = registry.truth.differences("hip", times=[5.0]).set_index("label")["net"].loc[list(LABELS)]
    near_and_far = estimates(truth + np.array([0, 50]), 1.0)
    found = evidence.registry.against_truth(
        registry, {"difference, these units": near_and_far}, joint="hip", years=5.0
    )
    assert found.known
    assert list(found.table["truth"]) == pytest.approx(list(truth))
    assert list(found.table["holds"]) == [True, False]
    assert found.checks[0].verdict == "warn"
    assert found.checks[0].observed == "1 of 2"


def test_net_and_crude_and_raw_truths_are_told_apart(registry):
    near = estimates([0.05, 0.05], 1.0)
    found = evidence.registry.against_truth(
        registry,
        {
            "revision-free, these units": near,
            "revised, these units": near,
            "unadjusted revised": near,
            "revised, units as a kind": near,
            "revision-free, units as a kind": near,
            "difference, units as a kind": near,
        },
        joint="hip",
        years=10.0,
    )
    true = found.table.set_index(["quantity", "label"])["truth"].xs(LABELS[0], level=1)
    assert 1000 - true["revision-free, these units"] > true["revised, these units"]  # death spares some
    assert true["unadjusted revised"] != true["revised, these units"]
    assert true["revised, units as a kind"] != true["revised, these units"]
    assert found.checks[0].verdict == "pass"


def test_own_data_have_no_truth_and_say_so(registry):
    from dataclasses import replace

    found = evidence.registry.against_truth(
        replace(registry, truth=None), {"difference, these units": estimates([1, 2], 1)}, joint="hip", years=5
    )
    assert not found.known
    assert found.table.empty
    assert "not synthetic" in found.checks[0].observed


def test_what_is_not_known_is_refused_by_name(registry):
    ask = {"joint": "hip", "years": 5.0}
    with pytest.raises(InputError, match=r"no quantity 'difference'\. Did you mean 'difference, th"):
        evidence.registry.against_truth(registry, {"difference": estimates([1, 2], 1)}, **ask)
    odd = estimates([1, 2], 1, ("specialist orthopedic", "x"))
    with pytest.raises(InputError, match=r"no class of the registry\. Did you mean 'specialist orthopaedic'"):
        evidence.registry.against_truth(registry, {"revised, these units": odd}, **ask)
