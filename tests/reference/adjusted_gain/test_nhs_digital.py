"""NHS Digital's published adjusted gains, from its own predictions of the public records."""

import pytest

from soa_evidence import evidence
from soa_evidence.units import adjusted_gain, case_mix

MEASURES = {"oxford": "Oxford score", "eq5d": "EQ-5D index"}
#: England's means are over a handful of records more or fewer than the public files hold.
SAME_RECORDS = {"oxford": 0.02, "eq5d": 0.0005}


@pytest.fixture(scope="module")
def beside():
    totals = evidence.load("nhs-proms-case-mix").table("providers")
    published = evidence.load("nhs-proms-published").table("scores")
    keys = ["year", "joint", "procedure"]
    found = {}
    for outcome, measure in MEASURES.items():
        ours = adjusted_gain.fit(
            totals[totals["outcome"] == outcome],
            unit="provider_code",
            size="official_records",
            observed="official_observed",
            expected="official_prediction",
            before="official_before",
            within=keys,
        ).units
        theirs = published[(published["measure"] == measure) & (published["procedure"] != "all")]
        theirs = theirs.rename(columns={"organisation_code": "unit", "adjusted_gain": "published"})
        both = theirs.astype(dict.fromkeys(keys, str)).merge(ours, on=["unit", *keys], validate="one_to_one")
        found[outcome] = both.dropna(subset=["published"])
    return found


@pytest.mark.parametrize("outcome", MEASURES)
def test_the_formula_gives_the_published_figures(beside, outcome):
    both = beside[outcome]
    gap = (both["adjusted_gain"] - both["published"]).abs()
    assert len(both) > 1400
    assert both["adjusted_gain"].corr(both["published"]) > 0.9998
    assert (gap < SAME_RECORDS[outcome]).mean() > 0.8
    # the same number of records is not always the same records
    same = both["patients"] == both["modelled_records"]
    assert (gap[same] < SAME_RECORDS[outcome]).mean() > 0.96
    assert gap[same].median() < SAME_RECORDS[outcome] / 5


@pytest.mark.parametrize("outcome", MEASURES)
def test_gains_that_are_not_adjusted_are_the_published_ones(beside, outcome):
    both = beside[outcome]
    same = both["patients"] == both["modelled_records"]
    gap = (both["gain"] - both["gain_mean"]).abs()[same]
    assert (gap < 1e-4).mean() > 0.95


def test_published_means_come_back_from_the_model_of_strata():
    """Our strata know less than NHS Digital's predictions, and must still correlate with them."""
    cells = evidence.load("nhs-proms-units").table()
    cells = cells[
        (cells["joint"] == "knee") & (cells["procedure"] == "primary") & (cells["oxford_pairs"] > 0)
    ]
    model = case_mix.fit(
        cells,
        outcome="oxford_post_sum",
        squares="oxford_post_sumsq",
        size="oxford_pairs",
        kind="value",
        covariates=["year", "age_band", "sex", "comorbidities", "oxford_pre_band"],
    )
    cells = cells.assign(
        e=model.fitted * cells["oxford_pairs"], b=cells["oxford_post_sum"] - cells["oxford_gain_sum"]
    )
    ours = adjusted_gain.fit(
        cells,
        unit="provider_code",
        size="oxford_pairs",
        observed="oxford_post_sum",
        expected="e",
        before="b",
        within=["year"],
    ).units
    published = evidence.load("nhs-proms-published").table("scores")
    theirs = published.query("joint == 'knee' and procedure == 'primary' and measure == 'Oxford score'")
    both = ours.merge(
        theirs.astype({"year": str}), left_on=["unit", "year"], right_on=["organisation_code", "year"]
    )
    both = both.dropna(subset=["adjusted_gain_y"])
    assert 0.8 < both["adjusted_gain_x"].corr(both["adjusted_gain_y"]) < 0.99
