"""Areas of England: each commissioner in one, merged ones in that of their parts."""

import pytest

from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.commissioners_areas import _LISTED, AREAS, REGIONS, area_of


def test_no_commissioner_is_in_two_areas():
    codes = [code for listed in _LISTED.values() for code in listed.split()]
    # 211 commissioners of 2013; three became Newcastle Gateshead in 2015
    assert len(codes) == len(set(codes)) == 211 - 3 + 1
    assert (len(AREAS), REGIONS) == (13, ("North", "Midlands and East", "London", "South"))


def test_a_merged_commissioner_lies_where_its_parts_lay():
    assert area_of("05N", {}) == ("North Midlands", "Midlands and East")
    assert area_of("14L", {"00W": "14L", "01M": "14L"}) == ("Lancashire and Greater Manchester", "North")


@pytest.mark.parametrize(
    ("merged", "says"),
    [
        ({}, "99Z lies in no known area; expected one area"),
        ({"05N": "99Z", "07L": "99Z"}, "99Z lies in London and North Midlands; expected one area"),
    ],
)
def test_a_commissioner_without_one_area_is_refused(merged, says):
    with pytest.raises(EvidenceError, match=says):
        area_of("99Z", merged)


def test_the_package_gives_every_commissioner_an_area():
    listed = evidence.load("commissioner-joint-replacement").table("commissioners").set_index("name")
    assert listed["area"].value_counts()["London"] == 32
    assert set(listed["area"]) == set(AREAS)
    # by where they lie on any map
    for name, area in {"Northumberland": "Cumbria and North East", "Leeds": "Yorkshire and Humber",
                       "Manchester": "Lancashire and Greater Manchester", "Kernow": "South West",
                       "Birmingham and Solihull": "West Midlands", "Norwich": "East",
                       "Isle of Wight": "Wessex", "Swale": "South East"}.items():  # fmt: skip
        assert listed["area"][name] == area
