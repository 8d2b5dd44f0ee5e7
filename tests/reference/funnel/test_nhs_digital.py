"""NHS Digital's published outlier status, every provider, measure and procedure of 2016/17 to 2018/19."""

import pytest

from soa_evidence import evidence
from soa_evidence.units import funnel

KEY = ["year", "joint", "procedure", "measure"]
WORDS = {
    "above 99.8%": "positive, 99.8 %",
    "above 95%": "positive, 95 %",
    "within": "not an outlier",
    "below 95%": "negative, 95 %",
    "below 99.8%": "negative, 99.8 %",
}
SHARE = 0.9995  # of statuses reproduced; the rest are explained below


@pytest.fixture(scope="module")
def published():
    package = evidence.load("nhs-proms-published")
    scores = package.table("scores")
    status = package.table("series")[["organisation_code", *KEY, "outlier"]]
    rows = scores.merge(status, on=["organisation_code", *KEY], validate="one_to_one")
    nation = rows[rows["organisation_code"] == "England"].set_index(KEY)
    nation = nation[["adjusted_gain", "standard_deviation"]].add_prefix("england_")
    units = rows[(rows["organisation_code"] != "England") & rows["adjusted_gain"].notna()]
    return units.join(nation, on=KEY).reset_index(drop=True)


def judged(rows):
    return funnel.fit(
        rows, unit=["organisation_code", *KEY], kind="mean", value="adjusted_gain", size="modelled_records",
        reference="england_adjusted_gain", spread="england_standard_deviation",
    ).units["flag"].map(WORDS)  # fmt: skip


def test_one_rule_gives_the_published_status(published):
    assert len(published) > 8_500
    assert (judged(published).to_numpy() == published["outlier"].to_numpy()).mean() >= SHARE


def test_the_providers_own_standard_deviation_is_not_the_rule(published):
    own = published.assign(england_standard_deviation=published["standard_deviation"])
    assert (judged(own).to_numpy() == published["outlier"].to_numpy()).mean() < 0.94


def test_the_others_differ_by_a_suppressed_revision_or_two(published):
    missed = published[judged(published).to_numpy() != published["outlier"].to_numpy()]
    assert 0 < len(missed) <= 5
    assert set(missed["procedure"]) == {"all"}
    enough = [
        any(
            judged(missed.assign(modelled_records=missed["modelled_records"] + more)).iloc[at]
            == missed["outlier"].iloc[at]
            for more in range(1, 6)  # as many as suppression hides
        )
        for at in range(len(missed))
    ]
    assert all(enough)
