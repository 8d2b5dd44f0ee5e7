"""Laws of counting and of files: nothing is lost, order does not matter, what is written is read back."""

import string

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import given, settings

from soa_evidence.evidence import schema, tables
from soa_evidence.evidence.nhs_proms import records
from soa_evidence.evidence.nhs_proms.units import GRADES, KEY, cells
from soa_evidence.evidence.write import count, number, resource, text

OUTCOMES = list(records.OUTCOMES)
ROUNDING = {"oxford_excess_sum": 0.005, "oxford_excess_sumsq": 0.05}
EQ5D_ROUNDING = 0.0005


def tidy_records(seed, size):
    """Records as `records.read` gives them, with every kind of answer and gap."""
    rng = np.random.default_rng(seed)

    def some(values):
        return np.array(values, dtype=object)[rng.integers(0, len(values), size)]

    def gaps(values):
        return np.where(rng.random(size) < 0.2, np.nan, values)

    frame = pd.DataFrame(
        {
            "provider_code": some(["AAA", "BBB"]),
            "year": some(["2016/17", "2017/18"]),
            "joint": some(["hip", "knee"]),
            "procedure": some(["primary", "revision"]),
            "age_band": some(records.AGE_BANDS[:2]),
            "sex": some(records.SEXES),
            "comorbidities": some(records.COMORBIDITIES[:2]),
            "oxford_pre_band": some(records.OXFORD_BANDS[:2]),
        }
    )
    for name in OUTCOMES:
        frame[name] = gaps(rng.integers(0, 2, size))
    for name in GRADES:
        frame[name] = gaps(rng.integers(1, 6, size))
    for when in ("pre", "post"):
        frame[f"oxford_{when}"] = gaps(rng.integers(0, 49, size))
        frame[f"eq5d_{when}"] = gaps(rng.integers(-594, 1001, size) / 1000)
    frame["oxford_predicted"] = gaps(rng.uniform(0, 48, size).round(9))
    frame["eq5d_predicted"] = gaps(rng.uniform(0, 1, size).round(9))
    return frame


TIDY = st.builds(tidy_records, st.integers(0, 2**32 - 1), st.integers(1, 200))
RELAXED = settings(max_examples=40, deadline=None)


@RELAXED
@given(TIDY)
def test_totals_over_strata_are_totals_over_records(tidy):
    table = cells(tidy)
    assert table["records"].sum() == len(tidy)
    assert not table.duplicated(list(KEY)).any()
    for name in OUTCOMES:
        assert table[f"{name}_events"].sum() == (tidy[name] == 1).sum()
        assert table[f"{name}_valid"].sum() == tidy[name].notna().sum()
    for score in ("oxford", "eq5d"):
        gain = tidy[f"{score}_post"] - tidy[f"{score}_pre"]
        excess = (tidy[f"{score}_post"] - tidy[f"{score}_predicted"]).where(gain.notna())
        assert table[f"{score}_pairs"].sum() == gain.notna().sum()
        for column, values in (
            (f"{score}_gain_sum", gain),
            (f"{score}_gain_sumsq", gain**2),
            (f"{score}_excess_sum", excess),
            (f"{score}_excess_sumsq", excess**2),
        ):
            slack = len(table) * ROUNDING.get(column, EQ5D_ROUNDING) + 1e-9
            assert abs(table[column].sum() - values.sum()) <= slack


@RELAXED
@given(TIDY)
def test_valid_answers_lie_between_events_and_records(tidy):
    table = cells(tidy)
    for name in (*OUTCOMES, *GRADES):
        assert (table[f"{name}_events"] <= table[f"{name}_valid"]).all()
        assert (table[f"{name}_valid"] <= table["records"]).all()
    for name, levels in GRADES.items():
        assert (table[[f"{name}_{level}" for level in levels]].sum(axis=1) == table[f"{name}_valid"]).all()


@RELAXED
@given(TIDY, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(tidy, random):
    order = list(range(len(tidy)))
    random.shuffle(order)
    key = list(KEY)
    one = cells(tidy).sort_values(key, ignore_index=True)
    other = cells(tidy.iloc[order].reset_index(drop=True)).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(one, other, check_exact=True)


ENTRY = {
    form: resource(
        "toy",
        "Toy",
        format=form,
        key=["code", "level"],
        fields=[
            text("code", "Code", "A code"),
            text("level", "Level", "An ordered level", levels=("low", "middle", "high")),
            count("events", "Events", "Events", required=False),
            count("shift", "Shift", "A signed whole number", minimum=None),
            number("mean", "Mean", "A mean", unit="points", required=False),
        ],
    )
    for form in ("csv", "parquet")
}
TEXT = st.text(string.ascii_letters + " ',-éß£\"", min_size=1, max_size=6)
MAYBE = st.none() | st.integers(0, 2**40)
ROW = st.tuples(
    TEXT,
    st.sampled_from(["low", "middle", "high"]),
    MAYBE,
    st.integers(-(2**40), 2**40),
    st.none() | st.floats(-1e6, 1e6),
)


def toy(rows):
    frame = pd.DataFrame(rows, columns=["code", "level", "events", "shift", "mean"])
    return frame.astype({"events": float, "mean": float})


TOY = st.lists(ROW, min_size=1, max_size=10, unique_by=lambda row: row[:2]).map(toy)


@RELAXED
@given(TOY, st.sampled_from(["csv", "parquet"]))
def test_what_is_written_is_read_back_sorted_and_to_the_same_bytes(tmp_path_factory, frame, form):
    folder = tmp_path_factory.mktemp("toy")
    tables.write(frame, folder / "one", ENTRY[form])
    tables.write(frame.iloc[::-1], folder / "two", ENTRY[form])
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
    got, problems = tables.read(folder / "one", ENTRY[form])
    assert problems == []
    assert schema.problems(got, ENTRY[form]["schema"]) == []
    levels = ["low", "middle", "high"]
    expected = sorted(frame.to_dict("records"), key=lambda row: (row["code"], levels.index(row["level"])))
    pd.testing.assert_frame_equal(got, pd.DataFrame(expected), check_exact=True)
