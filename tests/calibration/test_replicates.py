"""The bench that studies run on: what it writes, what it sees, and that a stop loses nothing."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.calibration import replicates


def test_place_is_the_share_below_and_ties_are_halved():
    draws = np.array([1.0, 2.0, 2.0, 3.0])
    assert replicates.place(draws, 2.5) == 3 / 4
    assert replicates.place(draws, 2.0) == 1 / 4 + 2 / 4 / 2
    assert 1 / 4 <= replicates.place(draws, 2.0, np.random.default_rng(1)) <= 3 / 4
    assert [replicates.held(0, 1, t) for t in (-1, 0.5, 2)] == [0, 0.5, 1]


def test_the_table_counts_what_it_says():
    places = pd.DataFrame(
        {
            "study": ["priors"] * 40 + ["null"] * 40,
            "seed": range(80),
            "level": [0.01] * 4 + [0.5] * 32 + [0.99] * 4 + [0.5] * 40,
            "better: level": [0.5] * 40 + [0.99] * 3 + [0.1] * 37,
            "chance: rise": [0.25] * 80,
            "was: rise": [1.0] * 10 + [0.0] * 30 + [1.0] * 40,
            "told: gain": [2.0] * 80,
            "unsound": [0.0] * 79 + [1.0],
        }
    )
    table = replicates.summarise(places).set_index(["study", "quantity"])
    assert ("priors", "better: level") not in table.index  # a draw from the priors is no claim that is false
    row = table.loc["priors", "level"]
    assert [row["coverage"], row["missed_below"], row["missed_above"]] == pytest.approx([0.8, 0.1, 0.1])
    assert row["simulation_error"] == pytest.approx(np.sqrt(0.05 * 0.95 / 40))
    assert row["p_uniform"] < 1e-6  # piled up in the middle: far too wide
    assert table.loc[("null", "better: level"), "claimed"] == 3 / 40
    assert table.loc[("priors", "chance: rise"), ["stated", "found"]].tolist() == [0.25, 0.25]
    assert table.loc[("priors", "chance: rise"), "p_stated"] == pytest.approx(1)
    assert table.loc[("null", "chance: rise"), "p_stated"] < 1e-6
    assert table.loc[("null", "told: gain"), "stated"] == 2
    assert table.loc[("null", "level"), "unsound"] == 1 / 40
    assert np.isnan(table.loc[("null", "level"), "p_uniform"])


def test_posteriors_a_fifth_too_narrow_are_seen_with_300_replicates():
    rng = np.random.default_rng(1)
    truth = rng.standard_normal(300)
    centre = truth + rng.standard_normal(300)  # a posterior of mean centre / 2 and variance 1 / 2
    draws = rng.standard_normal((300, 1000))

    def coverage(factor):
        places = [
            replicates.place(c / 2 + factor * np.sqrt(0.5) * d, t)
            for c, d, t in zip(centre, draws, truth, strict=True)
        ]
        frame = pd.DataFrame({"study": "priors", "seed": range(300), "x": places})
        return replicates.summarise(frame).iloc[0]

    good, narrow = coverage(1.0), coverage(0.75)
    assert abs(good["coverage"] - 0.95) < 3.5 * good["simulation_error"]
    assert good["p_uniform"] > 0.001
    assert narrow["coverage"] < 0.95 - 3.5 * narrow["simulation_error"]


def test_a_study_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(replicates, "HERE", tmp_path)
    made = []

    def one(study, seed):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append((study, seed))
        return None if seed == 11 else {"x": 0.123456, "unsound": 0.0}

    asked = {"priors": 4, "null": 3}
    with pytest.raises(KeyboardInterrupt):
        replicates.run("toy", asked, one, seed=10)
    kept = [json.loads(line) for line in (tmp_path / "toy_places.part").read_text().splitlines()]
    assert [row["seed"] for row in kept] == [10, 11, 12, 13, 10 + replicates.APART]
    assert kept[1]["found"] is None
    made.clear()
    replicates.run("toy", asked, one, seed=10)
    assert made == [("null", 11 + replicates.APART), ("null", 12 + replicates.APART)]
    places, table, record = replicates.read("toy")
    assert len(places) == 6
    assert set(places["x"]) == {0.1235}
    assert record["refused"] == {"priors": 1, "null": 0}
    assert table["replicates"].tolist() == [3, 3]
    assert not (tmp_path / "toy_places.part").exists()


def test_a_share_of_a_study_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(replicates, "HERE", tmp_path)
    table = replicates.run("toy", {"priors": 40}, lambda *_: {"x": 0.5}, seed=1, share=0.1)
    assert table["replicates"].tolist() == [4]
    assert not list(tmp_path.iterdir())
