"""units.profile: shares, limits and likeness by arithmetic; every error."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import profile

CELLS = pd.DataFrame(
    {
        "unit": ["A", "A", "B", "B", "C", "C"],
        "sex": ["f", "m", "f", "m", "f", "m"],
        "n": [60, 40, 55, 45, 10, 90],
    }
)


def fit(frame=CELLS, **given):
    return profile.fit(frame, **{"unit": "unit", "of": "A", "case_mix": ["sex"], "patients": "n", **given})


def test_shares_and_wilson_limits_are_arithmetic():
    table = fit().table.set_index("level")
    z2 = 1.959963984540054**2
    assert table.loc["f", "share"] == 0.6
    assert table.loc["f", "nation"] == pytest.approx(125 / 300)
    middle, half = (60 + z2 / 2) / (100 + z2), np.sqrt(z2 * (100 * 0.24 + z2 / 4)) / (100 + z2)
    assert table.loc["f", ["lower", "upper"]].to_list() == pytest.approx([middle - half, middle + half])


def test_shares_of_a_factor_add_up_to_one_without_error():
    share = fit().share
    assert share.mean.sum() == pytest.approx(1)
    assert share.covariance.sum() == pytest.approx(0, abs=1e-15)


def test_the_unit_most_alike_comes_first_and_unlikeness_is_arithmetic():
    alike = fit().alike
    assert alike["unit"].tolist() == ["B", "C"]
    nation = 125 / 300
    of = {"A": 60, "B": 55, "C": 10}
    shrunk = {unit: (n + 50 * nation) / 150 for unit, n in of.items()}
    assert alike["unlikeness"].tolist() == pytest.approx(
        [shrunk["A"] - shrunk["B"], shrunk["A"] - shrunk["C"]]
    )


def test_two_units_with_the_same_shares_and_sizes_are_not_unlike():
    frame = CELLS.assign(n=[60, 40, 60, 40, 10, 90])
    assert fit(frame).alike["unlikeness"].iloc[0] == 0


def test_a_tiny_unit_is_not_the_most_unlike_by_chance_alone():
    tiny = pd.DataFrame({"unit": ["D"], "sex": ["m"], "n": [1]})
    alike = fit(pd.concat([CELLS, tiny])).alike.set_index("unit")["unlikeness"]
    assert alike["D"] < alike["C"]


def test_rows_of_patients_and_cells_say_the_same_whatever_their_order():
    rows = CELLS.loc[CELLS.index.repeat(CELLS["n"])].sample(frac=1, random_state=1)
    one = profile.fit(rows, unit="unit", of="A", case_mix="sex")
    pd.testing.assert_frame_equal(one.table, fit().table)
    pd.testing.assert_frame_equal(one.alike, fit().alike)


def test_what_is_missing_is_a_level_and_much_of_it_a_warning():
    frame = CELLS.assign(sex=[None, "m", "f", "m", "f", "m"])
    found = fit(frame)
    assert "missing" in found.table["level"].tolist()
    assert {check.name: check.verdict for check in found.checks}["case mix not recorded"] == "warn"
    assert all(check.verdict == "pass" for check in fit().checks)


def test_few_patients_are_a_warning():
    assert fit(CELLS.assign(n=[6, 4, 55, 45, 10, 90])).checks[0].verdict == "warn"


def test_one_unit_alone_has_none_alike_and_shows_itself():
    found = fit(CELLS[CELLS["unit"] == "A"])
    assert found.alike.empty
    assert "sex" in repr(found)
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"of": "AA"}, "no unit 'AA'"),
        ({"case_mix": []}, "names no factor"),
        ({"case_mix": ["sx"]}, "no column 'sx'"),
        ({"unit": "units"}, "no column 'units'"),
        ({"patients": "sex"}, "expected counts of patients"),
        ({"frame": CELLS.assign(n=[1, 2, 3, 4, 5, -1])}, "row 5: -1"),
        ({"frame": CELLS.assign(n=[1, 2, np.nan, 4, 5, 6])}, "row 2: nan"),
        ({"frame": CELLS.assign(n=[0, 0, 3, 4, 5, 6])}, "no unit 'A' with patients"),
    ],
)
def test_bad_input_is_named(given, message):
    with pytest.raises(InputError, match=message):
        fit(**given)
