"""life-tables, hip-model-inputs, revision-reference-costs: rebuilt byte for byte; a "
"contradiction stops the build."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from soa_evidence import __main__ as command
from soa_evidence import evidence
from soa_evidence.economics import price_index
from soa_evidence.errors import EvidenceError
from soa_evidence.evidence import economic_conventions, economic_inputs

ROOT = Path(__file__).resolve().parents[2]
PACKAGES, RAW = ROOT / "evidence", ROOT.parent / "shared"
LIVES = RAW / "data/life_tables_eq5d"
COSTS = RAW / "data/reference_costs/nhs_reference_costs_2010_2016_latest_per_hrg_type.csv"
needs_raw = pytest.mark.skipif(not LIVES.is_dir(), reason="the raw files are not on this machine")
MORTALITY = "ons_england_national_life_tables_3yr_long.csv"


def life_rows(qx=0.1):
    rows, left = [], 100_000.0
    for age in range(101):
        rows.append(("female", age, qx, left, 10.0))
        left *= 0.9
    frame = pd.DataFrame(rows, columns=["sex", "age", "qx", "lx", "ex"])
    return pd.concat([frame.assign(period=p) for p in ("2017-2019", "2018-2020")])


def test_a_life_table_that_contradicts_itself_stops_the_build(tmp_path):
    path = tmp_path / "lives.csv"
    life_rows().to_csv(path, index=False)
    assert economic_inputs.build_life_tables(path, tmp_path).rows == {"mortality": 202}
    life_rows(qx=0.2).to_csv(path, index=False)
    with pytest.raises(EvidenceError, match="contradicts itself"):
        economic_inputs.build_life_tables(path, tmp_path)
    life_rows().query("period == '2018-2020'").to_csv(path, index=False)
    with pytest.raises(EvidenceError, match="no table for 2017-2019"):
        economic_inputs.build_life_tables(path, tmp_path)
    life_rows().drop(columns="qx").to_csv(path, index=False)
    with pytest.raises(EvidenceError, match="no column 'qx'"):
        economic_inputs.build_life_tables(path, tmp_path)
    with pytest.raises(EvidenceError, match="There is no file"):
        economic_inputs.build_life_tables(tmp_path / "none.csv", tmp_path)


def test_costs_of_another_year_stop_the_build(tmp_path):
    path = tmp_path / "costs.csv"
    pd.DataFrame(
        {"sushrg": ["HN81A"], "description": ["x"], "cost": [1.0], "type": ["Elective"], "Year": [2015]}
    ).to_csv(path)
    with pytest.raises(EvidenceError, match="of one year, 2016-17"):
        economic_inputs.build_costs(path, tmp_path)


@needs_raw
def test_rebuilding_gives_the_committed_bytes(tmp_path):
    figures, norms = RAW / "evidence/published_figures.csv", LIVES / "hrqol_cw_ci_df.csv"
    economic_inputs.build_life_tables(LIVES / MORTALITY, tmp_path)
    economic_inputs.build_hip_model(RAW / "data/dmhee_thr", figures, norms, tmp_path)
    economic_inputs.build_costs(COSTS, tmp_path)
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (PACKAGES / path.relative_to(tmp_path)).read_bytes(), path.name


@needs_raw
def test_the_covariance_with_the_slipped_decimal_point_is_refused(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(RAW / "data/dmhee_thr", folder)
    path = folder / "weibull_covariance_NP1_hesim_verified_PSD.csv"
    path.chmod(0o644)
    folder.chmod(0o755)
    path.unlink()
    path.write_text((RAW / "data/dmhee_thr" / path.name).read_text().replace("-0.000783", "-0.00783"))
    with pytest.raises(EvidenceError, match="decimal point may have slipped"):
        economic_inputs.build_hip_model(
            folder, RAW / "evidence/published_figures.csv", LIVES / "hrqol_cw_ci_df.csv", tmp_path
        )


@pytest.mark.parametrize("source", ["life-tables", "revision-reference-costs", "hip-model-inputs"])
def test_the_command_says_how_many_files_it_takes(source, capsys):
    assert command.main(["ingest", source, "a", "b"]) == 2
    assert "made from" in capsys.readouterr().err


CODED = PACKAGES / "_economics"


def test_the_index_is_rebuilt_from_the_coding_byte_for_byte(tmp_path):
    economic_conventions.build(CODED, tmp_path)
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (PACKAGES / path.relative_to(tmp_path)).read_bytes(), path.name


def test_the_index_multiplies_as_a_published_model_does():
    """1.0214 x 1.0249 x 1.0258 x 1.0732 from 2018/19 to 2022/23: a model of artery disease in public code."""
    rows = evidence.load("economic-conventions", PACKAGES).table("price_index")
    whole = rows[rows["part"] == "pay and prices"]
    for manual in ("2024", "2025"):
        made = price_index.chain(
            whole[whole["manual"] == manual],
            year="year",
            change_percent="change_percent",
            name="NHS Cost Inflation Index",
            source="the manual",
        )
        assert made.factor("2018/19", "2022/23") == pytest.approx(
            1.0214 * 1.0249 * 1.0258 * 1.0732, rel=1e-12
        )
    level = rows.query("manual == '2025' and part == 'pay'").set_index("year")["level"]
    assert level["2016/17"] == pytest.approx(100 * 1.003 * 1.021, abs=1e-4)


def coded(tmp_path, **changes):
    """Copy the coding, each change a function of the table of that name."""
    for name in ("price_index", "conventions"):
        frame = pd.read_csv(CODED / f"{name}.csv", dtype=str, keep_default_na=False)
        changes.get(name, lambda same: same)(frame).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def one_differs(frame):
    frame.loc[(frame["year"] == "2018/19").idxmax(), "change_percent"] = "9.99"
    return frame


BAD_CODING = [
    ({"price_index": one_differs}, "Copies of the manual of 2024 differ for pay and prices, 2018/19"),
    ({"price_index": lambda f: f[f["year"] != "2019/20"]}, "leaves out a year"),
    ({"price_index": lambda f: f.assign(part="wages")}, "has the part 'wages'"),
    ({"price_index": lambda f: f.assign(change_percent="much")}, "'much' is no number"),
    ({"price_index": lambda f: f.drop(columns="part")}, "no column 'part'"),
    ({"conventions": lambda f: f.assign(quantity="hope")}, "has the quantity 'hope'"),
    ({"conventions": lambda f: f.assign(value="")}, "'' is no number"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_CODING, ids=[message for _, message in BAD_CODING])
def test_a_wrong_coding_of_the_index_stops_the_build(changes, message, tmp_path):
    with pytest.raises(EvidenceError, match=message):
        economic_conventions.build(coded(tmp_path, **changes), tmp_path / "out")
