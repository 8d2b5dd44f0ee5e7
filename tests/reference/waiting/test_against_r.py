"""Shares waiting, treated and removed, and their errors, equal R's survfit."""

import json
from pathlib import Path

import pandas as pd
import pytest

from soa_evidence.pathways import waiting_times

HERE = Path(__file__).parent
R = json.loads((HERE / "expected.json").read_text())
CLOSED = 1e-8


@pytest.fixture(scope="module")
def found():
    waits = pd.read_csv(HERE / "waits.csv")
    return waiting_times.fit(waits, weeks="weeks", outcome="outcome", seed=1, draws=100)


@pytest.mark.parametrize("what", ["waiting", "treated", "removed"])
def test_shares_and_errors(found, what):
    table = getattr(found, what).table().set_index("time").loc[R["at"]]
    assert table["estimate"].to_numpy() == pytest.approx(R[what], rel=CLOSED)
    assert table["std_error"].to_numpy() == pytest.approx(R[f"{what}_se"], rel=CLOSED)
