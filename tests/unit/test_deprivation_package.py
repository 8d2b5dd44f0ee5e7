"""What predictions hold beyond the records, by area: totals agree, small areas go, files stay apart."""

import numpy as np
import pandas as pd
import pytest
from test_case_mix_package import people

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms import deprivation, packs, records
from soa_evidence.evidence.write import package
from soa_evidence.publish import deprivation_package, ingest

YEARS = ("2016/17", "2017/18", "2018/19")


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / deprivation.MERGERS).write_text("old_ccg,new_ccg_apr2019\n00W,14L\n")
    (tmp_path / "poor").mkdir()
    (tmp_path / "poor" / deprivation.IMD).write_text(
        "CCGcode,name,IMDscore,poptot\n14L,NHS Manchester CCG,40.0,1\n"
    )
    return tmp_path / "people", tmp_path / "poor"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    (folder / deprivation.MERGERS).write_text("old_ccg,new_ccg_apr2019\n00W,14L\n")
    (folder / deprivation.IMD).write_text(
        "CCGcode,name,IMDscore\n14L,NHS Manchester CCG,40\n01V,NHS Southport CCG,19.5\n"
    )
    places = deprivation.read_places(folder, folder)
    frame = people()
    rng = np.random.default_rng(4)
    frame["commissioner"] = rng.choice(["14L", "00W", "01V", "09X"], len(frame))
    frame.loc[:2, "commissioner"], frame.loc[3:, "commissioner"] = "13Q", frame.loc[3:, "commissioner"]
    # Predictions fall with the area by half a point beyond what the patients' answers say.
    frame["oxford_predicted"] = (
        30 - 0.5 * frame["commissioner"].isin(["14L", "00W"]) + 0.1 * frame["oxford_total"]
    )
    first = deprivation_package._first(frame)
    return frame, places, deprivation_package.areas(first, places), deprivation_package.providers(first)


def test_earlier_commissioners_are_followed_and_unknown_ones_left_out(made):
    _, places, areas, _ = made
    assert places.areas["name"].tolist() == ["Southport", "Manchester"]
    codes = pd.Series(["00W", "14L", "09X", "13Q"])
    assert places.of(codes).tolist()[:2] == ["14L", "14L"]
    assert places.of(codes).isna().tolist()[2:] == [
        True,
        True,
    ]
    assert set(areas["commissioner"]) == {"14L", "01V"}


def test_totals_are_those_of_the_patients(made):
    frame, places, areas, providers = made
    here = frame[places.of(frame["commissioner"]).notna()]
    oxford = areas.query("outcome == 'oxford'")
    assert oxford["records"].sum() == len(here)
    assert oxford["official_prediction"].sum() == pytest.approx(here["oxford_predicted"].sum(), abs=0.01)
    assert areas.query("outcome == 'wound'")["observed"].sum() == here["wound"].sum()
    assert areas.query("outcome == 'wound'")["official_records"].isna().all()
    assert providers.query("outcome == 'oxford'")["official_foreseen"].sum() == pytest.approx(
        frame["oxford_predicted"].sum(), abs=0.01
    )


def test_what_a_prediction_holds_beyond_the_records_is_found_again(made):
    """The half point that the made-up predictions take off for one area, whatever the patients answered."""
    _, _, areas, _ = made
    sums = (
        areas.query("outcome == 'oxford'")
        .groupby("commissioner")[["official_records", "official_prediction", "official_foreseen"]]
        .sum()
    )
    left = (sums["official_prediction"] - sums["official_foreseen"]) / sums["official_records"]
    assert left["14L"] - left["01V"] == pytest.approx(-0.5, abs=0.05)


def test_tables_keep_their_own_rules(made, tmp_path):
    _, places, areas, providers = made
    source = [{"title": "made up", "path": "https://example.org"}]
    files = [{"name": "a.csv", "hash": "sha256:" + "0" * 64}]
    written = package(
        tmp_path,
        deprivation.descriptor(YEARS, source, files, files * 2),
        {"areas": places.areas, "outcomes": areas, "providers": providers},
    )
    assert written.rows["outcomes"] == len(areas)
    assert areas["records"].min() >= deprivation.FEWEST


def test_an_area_with_few_records_is_left_out(made):
    frame, places, _, _ = made
    few = frame.assign(commissioner=np.where(np.arange(len(frame)) < 5, "01V", "14L"))
    assert set(deprivation_package.areas(deprivation_package._first(few), places)["commissioner"]) == {"14L"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("14L,A,forty\n", "row 1: IMDscore is 'forty'; expected a number from 0 to 100"),
        ("14L,A,40\n01V,B,101\n", "row 2: IMDscore is '101'"),
        ("14L,A,40\n14L,B,41\n", "holds the commissioner '14L' twice"),
    ],
)
def test_deprivation_that_cannot_be_is_refused(folders, rows, message):
    people_of, poor = folders
    (poor / deprivation.IMD).write_text("CCGcode,name,IMDscore\n" + rows)
    with pytest.raises(EvidenceError, match=message):
        deprivation.read_places(people_of, poor)


def test_a_file_of_the_other_kind_is_refused():
    columns = ["provider_code", *records._COLUMNS[1:]]
    content = (",".join(columns) + "\n" + ",".join(["RAA", *["1"] * (len(columns) - 1)]) + "\n").encode()
    file = packs.PackFile(name="Hip 1819.csv", kind="records", content=content, trail=("Hip 1819.csv",))
    with pytest.raises(EvidenceError, match="'RAA'; expected a commissioner's code: a digit"):
        records.read([file], by="commissioner")


def test_the_command_says_what_it_needs(tmp_path):
    from soa_evidence.errors import InputError

    with pytest.raises(InputError, match=r"made from 3 path.*the PROMs packs; populations; deprivation"):
        ingest.ingest("nhs-proms-deprivation", [tmp_path], tmp_path)
