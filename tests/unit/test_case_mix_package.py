"""Models of patients made into evidence: totals agree, no patient is left, and codes are checked."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms import case_mix as described
from soa_evidence.evidence.nhs_proms import packs, patients, records
from soa_evidence.publish import case_mix_package


def people(n=900, seed=1):
    """Patients like those of the record files, made up."""
    rng = np.random.default_rng(seed)

    def pick(*levels):
        return np.array(levels)[rng.integers(0, len(levels), n)]

    frame = pd.DataFrame(
        {"provider_code": pick("RAA", "RBB", "RCC", "NTT01"), "year": pick("2016/17", "2017/18", "2018/19")}
    )
    frame["joint"], frame["procedure"] = "hip", "primary"
    frame["age_band"], frame["sex"] = pick("60 to 69", "70 to 79"), pick("female", "male")
    frame["comorbidities"], frame["oxford_pre_band"] = pick("0", "1", "2"), pick("10 to 14", "15 to 19")
    for name in patients.LEVELS:
        frame[name] = pick("yes", "no")
    for item in patients.ITEMS["hip"].split():
        frame[f"item_{item}"] = rng.integers(0, 5, n).astype(float)
    frame["oxford_total"], frame["vas_before"] = (
        rng.integers(2, 40, n).astype(float),
        rng.integers(10, 99, n).astype(float),
    )
    for name in records.OUTCOMES:
        frame[name] = np.where(rng.random(n) < 0.1, np.nan, rng.random(n) < 0.3)
    frame["satisfaction"], frame["success"] = rng.integers(1, 6, n) * 1.0, rng.integers(1, 6, n) * 1.0
    frame["oxford_pre"], frame["eq5d_pre"] = frame["oxford_total"], np.round(rng.uniform(-0.2, 0.8, n), 3)
    frame["oxford_post"], frame["eq5d_post"] = (
        rng.integers(10, 48, n) * 1.0,
        np.round(rng.uniform(0, 1, n), 3),
    )
    frame["oxford_predicted"] = np.where(rng.random(n) < 0.05, np.nan, rng.normal(35, 3, n))
    frame["eq5d_predicted"] = rng.uniform(0.5, 0.9, n)
    return frame


@pytest.fixture(scope="module")
def made():
    frame = people()
    return frame, case_mix_package.tables(frame)


def test_totals_by_provider_are_those_of_the_patients(made):
    frame, tables = made
    providers = tables["providers"].set_index(list(described.PROVIDER_KEY)).sort_index()
    assert providers.index.is_unique
    assert set(providers.index.get_level_values("outcome")) == set(described.OUTCOMES)
    wound = providers.xs("wound", level="outcome")
    assert wound["records"].sum() == frame["wound"].notna().sum()
    assert wound["observed"].sum() == frame["wound"].sum()
    assert wound["expected"].sum() == pytest.approx(frame["wound"].sum(), abs=0.01)
    assert wound["official_records"].isna().all()
    oxford = providers.xs("oxford", level="outcome")
    has = frame["oxford_predicted"].notna()
    assert oxford["official_records"].sum() == has.sum()
    assert oxford["official_prediction"].sum() == pytest.approx(frame["oxford_predicted"].sum(), abs=0.01)
    assert oxford["official_observed"].sum() == frame.loc[has, "oxford_post"].sum()


def test_good_results_are_events_up_to_the_grade_that_counts(made):
    frame, tables = made
    rows = tables["providers"].query("outcome == 'satisfaction'")
    assert rows["observed"].sum() == (frame["satisfaction"] <= 3).sum()


def test_every_model_is_judged_on_years_it_was_not_fitted_to(made):
    _, tables = made
    judged = tables["accuracy"].groupby(["outcome", "model", "judged_on"]).size()
    for outcome in described.OUTCOMES:
        for model in ("patients", "strata"):
            for on in described.PATIENTS:
                assert (outcome, model, on) in judged.index
    assert ("oxford", "NHS Digital", "other years") in judged.index
    # outcomes that are pure chance cannot be foreseen in other years
    other = tables["accuracy"].query(
        "model == 'patients' and judged_on == 'other years' and measure == 'c statistic'"
    )
    assert other["estimate"].between(0.4, 0.6).all()


def test_tables_keep_their_own_rules(made, tmp_path):
    """The strict loader opens what was written."""
    from soa_evidence.evidence.write import package

    _, tables = made
    years = ("2016/17", "2017/18", "2018/19")
    source = [{"title": "made up", "path": "https://example.org"}]
    written = package(tmp_path, described.descriptor(years, source), tables)
    assert written.rows["providers"] == len(tables["providers"]) <= 4 * 3 * len(described.OUTCOMES)


def test_without_records_nothing_is_built(tmp_path):
    path = tmp_path / "PartLink 1819.csv"
    path.write_text("organisation_code,all_procedures_total_hes_procedures\nRAA,10\n")
    with pytest.raises(EvidenceError, match="No provider record file is among the paths"):
        case_mix_package.build([path], tmp_path / "out")


def test_an_unknown_answer_is_refused():
    column = pd.Series(["1", "7"], name="pre_op_q_disability")
    file = packs.PackFile(name="Hip 1819.csv", kind="records", content=b"", trail=("Hip 1819.csv",))
    with pytest.raises(
        EvidenceError, match=r"Hip 1819\.csv, row 2, column 'pre_op_q_disability': '7'; expected one of: 1, 2"
    ):
        patients._coded(file, column, {"1": "yes", "2": "no"})


def test_a_file_without_the_questions_is_refused():
    content = b"procedure,provider_code\nHip Replacement,RAA\n"
    file = packs.PackFile(name="Hip 1819.csv", kind="records", content=content, trail=("Hip 1819.csv",))
    with pytest.raises(EvidenceError, match="lacks the column 'heart_disease'"):
        patients._asked(file)
