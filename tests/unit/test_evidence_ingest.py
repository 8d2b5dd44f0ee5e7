"""From NHS Digital's packs to packages: what is counted, whatever the packing, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from evidence_toys import (
    CLASSES,
    pack,
    participation,
    patient,
    score,
    series,
    to_csv,
    write_folder,
    zipped,
)

from soa_evidence import evidence
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import nhs_proms, nhs_units
from soa_evidence.evidence.load import open_folder
from soa_evidence.evidence.provider_classes import readable

HIP, KNEE = "Hip Replacement Provider 1819.csv", "Knee Replacement Provider 1819.csv"


@pytest.fixture
def built(tmp_path):
    """Packages built from the toy pack, and the summary."""
    source = write_folder(tmp_path / "pack", pack())
    classes = tmp_path / "classes.csv"
    classes.write_text(CLASSES)
    summary = nhs_proms.build([source], tmp_path / "out", classes=classes)
    return tmp_path / "out", summary


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def cells_of(tmp_path, hips):
    source = write_folder(tmp_path / "in", {HIP: to_csv(hips)})
    nhs_proms.build([source], tmp_path / "out")
    return open_folder(tmp_path / "out" / "nhs-proms-units", foreign=False).table()


def test_the_summary_says_what_was_read_built_and_left_aside(built):
    _, summary = built
    assert [w.name for w in summary.written] == [
        "nhs-proms-units",
        "nhs-proms-participation",
        "nhs-proms-published",
        "nhs-units",
    ]
    assert dict(summary.left_aside)["Hip Replacement CCG 1819.csv"].startswith("holds the same patients")
    assert "Equality 1819.csv" in dict(summary.left_aside)
    assert HIP in summary.read
    assert "Built nhs-units: units 2 rows" in str(summary)
    assert summary.not_built == ()


def test_records_are_counted_in_their_strata(built):
    table = evidence.load("nhs-proms-units", built[0]).table()
    assert table["records"].sum() == 4 + 2
    key = ["provider_code", "joint", "procedure", "age_band", "sex", "comorbidities", "oxford_pre_band"]
    strata = [tuple(row) for row in table[key].to_numpy()]
    assert strata == [
        ("AAA", "hip", "primary", "60 to 69", "female", "0", "15 to 19"),
        ("AAA", "hip", "primary", "60 to 69", "female", "2", "15 to 19"),
        ("AAA", "knee", "primary", "60 to 69", "female", "0", "15 to 19"),
        ("AAA", "knee", "primary", "60 to 69", "male", "0", "15 to 19"),
        ("BBB01", "hip", "primary", "unknown", "unknown", "0", "15 to 19"),
        ("BBB01", "hip", "revision", "60 to 69", "female", "0", "unknown"),
    ]
    assert table["readmission_events"].tolist() == [0, 1, 0, 0, 0, 0]
    assert table["readmission_valid"].tolist() == [1] * 6
    assert table["wound_valid"].tolist() == [1, 1, 1, 1, 0, 1]
    assert table["satisfaction_events"].tolist() == [1, 1, 1, 0, 1, 1]  # code 4 is 'fair'
    assert table["satisfaction_fair"].tolist() == [0, 0, 0, 1, 0, 0]


def test_scores_are_summed_over_pairs_only(tmp_path):
    pre, post, predicted = (
        f"Hip Replacement {what}" for what in ("Pre-Op Q Score", "Post-Op Q Score", "OHS Post-Op Q Predicted")
    )
    rows = [
        patient(**{pre: "17", post: "40", predicted: "38.5"}),
        patient(**{pre: "16", post: "30", predicted: "33.123456789"}),
        patient(**{pre: "18", post: "", predicted: ""}),
        patient(**{pre: "19", post: "41", predicted: ""}),
    ]
    cell = cells_of(tmp_path, rows).iloc[0]
    assert cell["records"] == 4
    assert (cell["oxford_pairs"], cell["oxford_predicted"]) == (3, 2)
    assert cell["oxford_post_sum"] == 40 + 30 + 41
    assert cell["oxford_post_sumsq"] == 40**2 + 30**2 + 41**2
    assert cell["oxford_gain_sum"] == (40 - 17) + (30 - 16) + (41 - 19)
    assert cell["oxford_gain_sumsq"] == 23**2 + 14**2 + 22**2
    assert cell["oxford_excess_sum"] == round(1.5 + (30 - 33.123456789), 2)
    assert cell["oxford_excess_sumsq"] == round(1.5**2 + (30 - 33.123456789) ** 2, 1)
    assert cell["eq5d_pairs"] == 4
    assert cell["eq5d_gain_sum"] == 1.2  # 4 × (0.8 − 0.5), exactly the decimal number
    assert cell["eq5d_gain_sumsq"] == 0.36
    assert cell["eq5d_excess_sum"] == 0.2
    assert cell["eq5d_excess_sumsq"] == 0.01


def test_every_graded_answer_has_its_own_count(tmp_path):
    rows = [
        patient(**{"Post-Op Q Satisfaction": str(code), "Post-Op Q Sucess": str(code)})
        for code in (1, 2, 3, 4, 5, 9)
    ]
    cell = cells_of(tmp_path, rows).iloc[0]
    names = [f"satisfaction_{grade}" for grade in ("excellent", "very_good", "good", "fair", "poor")]
    assert cell[names].tolist() == [1] * 5
    assert (cell["satisfaction_events"], cell["satisfaction_valid"]) == (3, 5)
    assert (cell["success_events"], cell["success_valid"]) == (2, 5)


@pytest.mark.parametrize(
    ("column", "values", "field", "expected"),
    [
        (
            "Age Band",
            ["20 to 29", "30 to 39", "40 to 49", "50 to 59", "80 to 89", "90 to 120", "*"],
            "age_band",
            {"under 50": 3, "50 to 59": 1, "80 and over": 2, "unknown": 1},
        ),
        ("Gender", ["1", "2", "*"], "sex", {"female": 1, "male": 1, "unknown": 1}),
        (
            "Hip Replacement Pre-Op Q Score",
            ["0", "9", "10", "14", "29", "30", "48", ""],
            "oxford_pre_band",
            {"0 to 9": 2, "10 to 14": 2, "25 to 29": 1, "30 to 48": 2, "unknown": 1},
        ),
    ],
)
def test_bands_hold_what_their_names_say(tmp_path, column, values, field, expected):
    table = cells_of(tmp_path, [patient(**{column: value}) for value in values])
    assert table.groupby(field)["records"].sum().to_dict() == expected


def test_four_or_more_conditions_are_one_level(tmp_path):
    ticks = ["Heart Disease", "High Bp", "Stroke", "Circulation", "Lung Disease"]
    rows = [patient(**dict.fromkeys(ticks[:n], "1")) for n in range(6)]
    table = cells_of(tmp_path, rows)
    assert table.set_index("comorbidities")["records"].to_dict() == {
        "0": 1,
        "1": 1,
        "2": 1,
        "3": 1,
        "4 or more": 2,
    }


def test_participation_keeps_england_and_suppression(tmp_path):
    hidden = participation(
        "AAA",
        **{"Revision Hip Replacement - Total Linked": "*", "Revision Hip Replacement - Linkage rate": "*"},
    )
    source = write_folder(tmp_path / "in", {"PartLink 1718.csv": to_csv([participation("England"), hidden])})
    summary = nhs_proms.build([source], tmp_path / "out")
    table = evidence.load("nhs-proms-participation", tmp_path / "out").table()
    assert len(table) == 2 * 7
    assert set(table["year"]) == {"2017/18"}
    assert table["organisation_code"].tolist() == ["AAA"] * 7 + ["England"] * 7
    row = table[
        (table["organisation_code"] == "AAA") & (table["joint"] == "hip") & (table["procedure"] == "revision")
    ].iloc[0]
    assert np.isnan(row["linked"])
    assert row["eligible_operations"] == 100
    assert [name for name, _ in summary.not_built] == ["nhs-proms-units", "nhs-proms-published"]


def published(tmp_path, *series_files, scores=None):
    files = {f"Time Series {at}.csv": to_csv(rows) for at, rows in enumerate(series_files)}
    files["ProvComm 1819.csv"] = to_csv(scores or [score()])
    nhs_proms.build([write_folder(tmp_path / "in", files)], tmp_path / "out")
    return evidence.load("nhs-proms-published", tmp_path / "out")


def test_series_of_several_releases_keep_providers_that_closed(tmp_path):
    old = [series("AAA", (2016, 2017), records="50"), series("CLO", (2016, 2017))]
    new = [series("AAA", (2016, 2017, 2018), records="53")]
    table = published(tmp_path, old, new).table("series")
    got = table.set_index(["organisation_code", "year"])[
        ["modelled_records", "modelled_records_change", "release"]
    ]
    assert got.loc[("CLO", "2017/18")].tolist() == [54, 0, "2017/18"]
    assert got.loc[("AAA", "2016/17")].tolist() == [53, 53 - 50, "2018/19"]
    assert got.loc[("AAA", "2018/19")].tolist() == [53, 0, "2018/19"]


def test_releases_that_disagree_on_a_gain_or_status_are_refused(tmp_path):
    old, new = series("AAA", (2016, 2017)), series("AAA", (2016, 2017, 2018))
    with pytest.raises(
        EvidenceError, match="disagree on adjusted_gain of AAA, hip primary, Oxford score, 2016/17"
    ):
        published(tmp_path, [old | {"Adjusted_Health_Gain_2016": "1"}], [new])
    with pytest.raises(EvidenceError, match="disagree on outlier of AAA"):
        published(tmp_path, [old | {"Outlier_2017": "No procedures"}], [new])


def test_scores_say_why_figures_are_missing_and_leave_commissioners_out(tmp_path):
    blank = dict.fromkeys(
        ["Adjusted Post-Op Q Score", "Adjusted Average Health Gain", "Standard Deviation"], "*"
    )
    everything = dict.fromkeys([k for k, v in score().items() if v.replace(".", "").isdigit()])
    rows = [
        score("AAA"),
        score("BBB", **blank),
        score("CCC", **dict.fromkeys(everything, "*")),
        score("DDD", **dict.fromkeys(everything, "-")),
        score("00C", "CCG of GP Practice"),
        score("England", "England"),
    ]
    table = published(tmp_path, [series("AAA", (2017, 2018))], scores=rows).table("scores")
    assert table.set_index("organisation_code")["state"].to_dict() == {
        "AAA": "adjusted",
        "BBB": "unadjusted only",
        "CCC": "suppressed",
        "DDD": "no modelled records",
        "England": "adjusted",
    }


def test_the_same_files_give_the_same_bytes_however_packed_and_ordered(tmp_path):
    files = pack()
    folder = write_folder(tmp_path / "folder", dict(reversed(files.items())))
    nested = tmp_path / "PROMs 1819.zip"
    nested.write_bytes(zipped({f"{name}.zip": zipped({name: text}) for name, text in files.items()}))
    flat = tmp_path / "flat.zip"
    flat.write_bytes(zipped(files))
    built = []
    for at, paths in enumerate([[folder], [nested], [flat, folder], sorted(folder.iterdir()), [folder]]):
        nhs_proms.build(paths, tmp_path / f"out{at}")
        built.append(files_of(tmp_path / f"out{at}"))
    assert len(built[0]) == 3 + 4  # three descriptors, four tables
    for other in built[1:]:
        assert other == built[0]


def test_the_order_of_records_cannot_change_a_byte(tmp_path):
    rng = np.random.default_rng(7)
    rows = [
        patient(
            **{
                "Hip Replacement OHS Post-Op Q Predicted": f"{rng.uniform(20, 45):.9f}",
                "Hip Replacement Post-Op Q Score": str(rng.integers(10, 48)),
            }
        )
        for _ in range(60)
    ]
    for name, order in (("a", rows), ("b", rows[::-1])):
        nhs_proms.build([write_folder(tmp_path / name, {HIP: to_csv(order)})], tmp_path / f"out-{name}")
    table = "nhs-proms-units/data/cells.parquet"
    assert (tmp_path / "out-a" / table).read_bytes() == (tmp_path / "out-b" / table).read_bytes()


def test_units_carry_class_flags_and_volume(built):
    table = evidence.load("nhs-units", built[0]).table().set_index("provider_code")
    assert table["unit_class"].to_dict() == {"AAA": "NHS general, large", "BBB01": "independent sector"}
    assert table["records"].to_dict() == {"AAA": 4, "BBB01": 2}
    assert table.loc["BBB01", "records_hip_revision"] == 1
    assert table.loc["AAA", "records_knee_primary"] == 2
    assert table["specialist_orthopaedic_site"].tolist() == ["none known"] * 2
    assert table["noa_vanguard_partner"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("capitals", "ordinary"),
    [
        ("ST HUGH'S HOSPITAL", "St Hugh's Hospital"),
        ("BMI THE PARK HOSPITAL", "BMI The Park Hospital"),
        ("NUFFIELD HEALTH, NEWCASTLE UPON TYNE HOSPITAL", "Nuffield Health, Newcastle upon Tyne Hospital"),
        ("THE ROBERT JONES AND AGNES HUNT NHS TRUST", "The Robert Jones and Agnes Hunt NHS Trust"),
        ("ORTHOPAEDICS & SPINE HOSPITAL (OXFORD)", "Orthopaedics & Spine Hospital (Oxford)"),
    ],
)
def test_names_are_put_into_ordinary_writing(capitals, ordinary):
    assert readable(capitals) == ordinary


RECORD_FAULTS = [
    ({"Post-Op Q Wound": "3"}, "row 2, column 'post_op_q_wound': '3'; expected one of: 1, 2, 9"),
    ({"Gender": "x"}, "column 'gender': 'x'"),
    ({"Heart Disease": "2"}, "column 'heart_disease': '2'; expected one of: 1, 9"),
    ({"Revision Flag": "2"}, "column 'revision_flag': '2'; expected one of: 0, 1"),
    ({"Year": "2018"}, "column 'year': '2018'; expected a financial year such as 2018/19"),
    ({"Procedure": "Groin Hernia"}, "'Groin Hernia'; expected one of: Hip Replacement, Knee Replacement"),
    (
        {"Hip Replacement Post-Op Q Score": "49"},
        "column 'post_op_q_score': '49'; expected a number from 0 to 48",
    ),
    ({"Hip Replacement Post-Op Q Score": "forty"}, "column 'post_op_q_score': 'forty'"),
    (
        {"Post-Op Q EQ5D Index": "1.2"},
        "column 'post_op_q_eq5d_index': '1.2'; expected a number from -0.594 to 1",
    ),
    ({"Provider Code": "00C"}, "column 'provider_code': '00C'; expected a provider's code"),
]


@pytest.mark.parametrize(("change", "match"), RECORD_FAULTS, ids=[match[:40] for _, match in RECORD_FAULTS])
def test_a_record_of_unknown_content_is_refused_by_file_row_and_column(tmp_path, change, match):
    source = write_folder(tmp_path / "in", {HIP: to_csv([patient(), patient(**change)])})
    with pytest.raises(EvidenceError, match=f"^{HIP}, .*{match}"):
        nhs_proms.build([source], tmp_path / "out")


def test_files_that_cannot_be_used_are_refused(tmp_path):
    def build(*paths):
        nhs_proms.build(paths, tmp_path / "out")

    with pytest.raises(EvidenceError, match=r"There is no file or folder '.*nowhere'"):
        build(tmp_path / "nowhere")
    with pytest.raises(EvidenceError, match=r"No PROMs file was found in .*empty"):
        build(write_folder(tmp_path / "empty", {"notes.csv": "a,b\n1,2\n", "none.csv": ""}))
    with pytest.raises(EvidenceError, match=r"No PROMs file was found in no path at all"):
        build()
    (tmp_path / "broken.zip").write_bytes(b"PK not a zip")
    with pytest.raises(EvidenceError, match=r"broken\.zip cannot be unzipped .*; download it again"):
        build(tmp_path / "broken.zip")
    (tmp_path / "guide.pdf").write_bytes(b"%PDF")
    with pytest.raises(EvidenceError, match=r"guide\.pdf is neither a \.csv nor a \.zip file nor a folder"):
        build(tmp_path / "guide.pdf")
    header = to_csv([patient()]).splitlines()[0]
    with pytest.raises(EvidenceError, match="holds a header but no rows"):
        build(write_folder(tmp_path / "bare", {HIP: header + "\n"}))
    lacking = to_csv([patient()]).replace("Post-Op Q Sucess", "Post-Op Q Succes")
    with pytest.raises(
        EvidenceError, match=r"lacks the column 'post_op_q_success'.*Did you mean 'post_op_q_succes'"
    ):
        build(write_folder(tmp_path / "lacking", {HIP: lacking}))
    twice = {HIP: to_csv([patient()]), "Hip provisional.csv": to_csv([patient(), patient()])}
    with pytest.raises(EvidenceError, match="both hold hip records of 2018/19, and they differ"):
        build(write_folder(tmp_path / "twice", twice))
    with pytest.raises(
        EvidenceError, match=r"PartLink\.csv does not say its year inside, and its name does not either"
    ):
        build(write_folder(tmp_path / "yearless", {"PartLink.csv": to_csv([participation()])}))
    odd = participation(**{"Hip Replacement - Total Linked": "few"})
    with pytest.raises(EvidenceError, match="'few' is neither a number nor a mark of suppression"):
        build(write_folder(tmp_path / "odd", {"PartLink 1819.csv": to_csv([odd])}))
    clash = {
        "PartLink 1819.csv": to_csv([participation()]),
        "PartLink new 1819.csv": to_csv([participation("BBB")]),
    }
    with pytest.raises(EvidenceError, match="are both participation in 2018/19; give one"):
        build(write_folder(tmp_path / "clash", clash))


def test_the_year_may_stand_in_the_folder_instead_of_the_name(tmp_path):
    write_folder(tmp_path / "packs" / "data-pack-2016-17", {"PartLink.csv": to_csv([participation()])})
    nhs_proms.build([tmp_path / "packs"], tmp_path / "out")
    assert set(evidence.load("nhs-proms-participation", tmp_path / "out").table()["year"]) == {"2016/17"}


CLASS_FAULTS = [
    (
        lambda c: c.replace("large acute", "larg acute"),
        r"row 1 \(AAA\): unknown class 'larg acute'. Did you mean 'large acute'",
    ),
    (
        lambda c: c.replace("A official", "E official"),
        r"row 1 \(AAA\): unknown grade 'E'; expected A, B, C or D",
    ),
    (lambda c: c.replace("BBB01", "AAA"), "lists 'AAA' twice"),
    (lambda c: c.replace("class,", "clas,"), "lacks the column 'class'. Did you mean 'clas'"),
    (
        lambda c: "\n".join(c.splitlines()[:2]) + "\n",
        r"gives no class for 1 provider\(s\) of nhs-proms-units, among them BBB01",
    ),
]


@pytest.mark.parametrize(("edit", "match"), CLASS_FAULTS, ids=[match[:30] for _, match in CLASS_FAULTS])
def test_a_faulty_list_of_classes_is_refused(built, tmp_path, edit, match):
    path = tmp_path / "faulty.csv"
    path.write_text(edit(CLASSES))
    with pytest.raises(EvidenceError, match=match):
        nhs_units.build(path, built[0])


def test_units_need_their_list_and_the_counts_first(tmp_path):
    with pytest.raises(
        EvidenceError, match=r"There is no file '.*none.csv'; expected the CSV of provider classes"
    ):
        nhs_units.build(tmp_path / "none.csv", tmp_path)
    path = tmp_path / "classes.csv"
    path.write_text(CLASSES)
    with pytest.raises(
        EvidenceError, match=r"takes volumes from nhs-proms-units, which is not in .*; ingest nhs-proms first"
    ):
        nhs_units.build(path, tmp_path)


def test_counts_of_an_unlisted_provider_cannot_be_loaded(built):
    out, _ = built
    folder = out / "nhs-units"
    table = folder / "data" / "units.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    evidence.seal(folder)
    with pytest.raises(EvidenceError, match=r"'BBB01' is unknown to nhs-units: units \(provider_code\)"):
        evidence.load("nhs-proms-units", out)


def test_integers_are_stored_small_and_read_wide(built):
    import pyarrow.parquet as pq

    path = built[0] / "nhs-proms-units" / "data" / "cells.parquet"
    assert str(pq.read_schema(path).field("records").type) == "uint8"
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    assert evidence.load("nhs-proms-units", built[0]).table()["records"].dtype == np.int64
    assert pd.api.types.is_object_dtype(evidence.load("nhs-proms-units", built[0]).table()["joint"])
