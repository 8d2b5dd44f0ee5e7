"""Parts of a spread as stacked bars: what is refused, and what is drawn."""

import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures

PARTS = ["chance", "case mix", "the unit itself"]
ROWS = pd.DataFrame(
    {
        "label": ["wound", "readmission"],
        "group": ["hip", "hip"],
        "chance": [0.7, 0.42],
        "case mix": [-0.05, 0.08],
        "the unit itself": [0.35, 0.5],
    }
)
TOLD = {"id": "parts", "title": "Parts", "subtitle": "Made-up shares"}


def test_every_part_is_told_of():
    figure = figures.spread_parts(ROWS, parts=PARTS, **TOLD)
    assert "hip, readmission: chance 42%, case mix 8%, the unit itself 50%" in figure.description
    assert figure.description.startswith("2 bars")


@pytest.mark.parametrize(
    ("rows", "parts", "message"),
    [
        (ROWS.assign(chance=[0.7, 0.5]), PARTS, r"row 2 \('readmission'\) add up to 1.080; expected 1"),
        (ROWS.drop(columns="group"), PARTS, "group"),
        (
            ROWS.assign(**{f"p{i}": 0.0 for i in range(3)}),
            [*PARTS, "p0", "p1", "p2"],
            "6 parts cannot",
        ),
    ],
)
def test_bad_rows_are_refused(rows, parts, message):
    with pytest.raises(InputError, match=message):
        figures.spread_parts(rows, parts=parts, **TOLD)
