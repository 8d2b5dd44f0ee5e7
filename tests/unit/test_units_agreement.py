"""Agreement and adjusted gain, by arithmetic."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.units import adjusted_gain, agreement

PAIRS = pd.DataFrame({"ours": [1.0, 2, 3, 4, 6], "theirs": [1.0, 3, 3, 5, 5], "unit": list("abcde")})
Z = 1.959963984540054


def test_bias_and_limits():
    found = agreement.fit(PAIRS, ours="ours", theirs="theirs")
    d = np.array([0, -1, 0, -1, 1])
    sd = np.sqrt(((d + 0.2) ** 2).sum() / 4)
    assert found.bias.mean[0] == pytest.approx(-0.2)
    assert found.bias.covariance[0, 0] == pytest.approx(sd**2 / 5)
    assert found.limits.mean.tolist() == pytest.approx([-0.2 - Z * sd, -0.2 + Z * sd])
    assert (found.within, found.between) == (pytest.approx(sd), 0.0)
    assert found.rows["difference"].tolist() == d.tolist()
    assert repr(found).startswith("Agreement of 5 pairs: correlation 0.9")
    assert "pairs (or units)" in found._repr_html_()


def test_a_lasting_difference_is_between_units():
    frame = pd.DataFrame(
        {
            "unit": np.repeat(list("abcdef"), 2),
            "theirs": np.arange(12.0),
            "d": [1, 1, -1, -1, 2, 2, -2, -2, 0, 0, 3, 3],
        }
    )
    found = agreement.fit(
        frame.assign(ours=frame["theirs"] + frame["d"]), ours="ours", theirs="theirs", unit="unit"
    )
    assert found.within == pytest.approx(0, abs=1e-12)
    assert found.between == pytest.approx(np.std([1, -1, 2, -2, 0, 3], ddof=1))


def test_the_same_figures_agree_perfectly():
    found = agreement.fit(PAIRS.assign(theirs=PAIRS["ours"] + 0.0), ours="ours", theirs="theirs")
    assert agreement.coefficient(found.correlation.mean)[0] == pytest.approx(1)
    assert found.limits.mean.tolist() == [0, 0]


def test_results_side_by_side():
    found = agreement.fit(PAIRS, ours="ours", theirs="theirs")
    table = agreement.compare({"one": found})
    assert table.loc[0, "correlation"] == pytest.approx(np.corrcoef(PAIRS["ours"], PAIRS["theirs"])[0, 1])
    assert table.loc[0, "bias"] == pytest.approx(-0.2)


def test_the_cause_is_the_step_that_goes_furthest():
    frame = pd.DataFrame(
        {"a": [0.0, 0, 0, 0], "b": [2.0, 0.1, 1.0, -5], "c": [2.1, 3.0, 2.0, -4], "d": [2.2, 2.9, 3.0, 0.2]}
    )
    told = agreement.explain(frame, path=list("abcd"), causes=["records", "model", "rest"], above=1)
    assert told["cause"].tolist() == ["several together", "model", "records"]
    assert told["share"].tolist() == pytest.approx([1 / 3, 2.9 / 2.9, 2 / 2.2])
    assert told["difference"].tolist() == pytest.approx([3.0, 2.9, 2.2])


def test_adjusted_gain():
    """60 and 40 patients gained 20 and 25 on average; 1 more and 3 less than expected of them."""
    frame = pd.DataFrame(
        {"u": ["a", "b"], "n": [60, 40], "b": [600.0, 400], "o": [1800.0, 1400], "e": [1740.0, 1520]}
    )
    frame["ss"] = [600.0, 400.0]
    found = adjusted_gain.fit(
        frame, unit="u", size="n", observed="o", expected="e", before="b", residual_squares="ss"
    )
    mean_gain, centre = 2200 / 100, -60 / 100
    assert found.units["gain"].tolist() == [20, 25]
    assert found.units["adjusted_gain"].tolist() == pytest.approx(
        [mean_gain + 1 - centre, mean_gain - 3 - centre]
    )
    spread = np.sqrt(1000 / 100 - centre**2)
    assert found.units["std_error"].tolist() == pytest.approx([spread / np.sqrt(60), spread / np.sqrt(40)])
    assert found.releases.iloc[0][["units", "patients", "gain", "excess"]].tolist() == pytest.approx(
        [2, 100, 22, centre]
    )
    assert "Adjusted gain of 2 units" in repr(found)
    assert "largest share" in found._repr_html_()


def test_each_release_is_set_right_by_itself():
    frame = pd.DataFrame(
        {
            "u": list("abab"),
            "year": [1, 1, 2, 2],
            "n": 50,
            "b": 500.0,
            "o": [1000.0, 1100, 1500, 1600],
            "e": 1000.0,
        }
    )
    found = adjusted_gain.fit(
        frame, unit="u", size="n", observed="o", expected="e", before="b", within=["year"]
    )
    assert found.units["adjusted_gain"].tolist() == pytest.approx([10, 12, 20, 22])
    assert found.releases["excess"].tolist() == pytest.approx([1, 11])


def test_flags_are_in_the_words_of_the_funnel():
    table = pd.DataFrame({"estimate": [0.0, 2.0, -2.5, 3.2, -4], "std_error": 1.0})
    assert adjusted_gain.flags(table).tolist() == [
        "within",
        "above 95%",
        "below 95%",
        "above 99.8%",
        "below 99.8%",
    ]
    assert adjusted_gain.flags(table, reference=3.2).iloc[3] == "within"


def test_gains_stand_beside_published_figures_of_the_same_release():
    frame = pd.DataFrame({"u": list("abab"), "year": [1, 1, 2, 2], "n": 50, "b": 500.0, "e": 1000.0})
    frame["o"] = [1000.0, 1100, 1500, 1600]
    ours = adjusted_gain.fit(
        frame, unit="u", size="n", observed="o", expected="e", before="b", within=["year"]
    )
    published = pd.DataFrame({"u": list("bca"), "year": [2, 2, 1], "published": [22.5, 1.0, 9.0]})
    found = adjusted_gain.beside(published, {"ours": ours}, unit="u", within=["year"])
    assert found["published"].tolist() == [22.5, 1.0, 9.0]
    assert found["ours"].tolist() == pytest.approx([22.0, np.nan, 10.0], nan_ok=True)
    with pytest.raises(InputError, match=r"published figures has no column 'yr'\. Did you mean 'year'\?"):
        adjusted_gain.beside(published, {"ours": ours}, unit="u", within=["yr"])
    with pytest.raises(InputError, match=r"has a column 'published' already; give the gains another name"):
        adjusted_gain.beside(published, {"published": ours}, unit="u", within=["year"])
    with pytest.raises(InputError, match=r"'b' is published twice in one release; expected one row"):
        adjusted_gain.beside(published.iloc[[0, 0]], {"ours": ours}, unit="u", within=["year"])


def test_the_error_of_a_step_is_that_of_a_mean_of_differences():
    d = np.array([1.0, -2.0, 4.0, 0.5])
    frame = pd.DataFrame({"n": [4], "old": [10.0], "new": [10.0 + d.sum()], "squares": [(d**2).sum()]})
    found = adjusted_gain.step_error(frame, size="n", before="old", after="new", squares="squares")
    assert found.tolist() == pytest.approx([d.std() / np.sqrt(4)])
    with pytest.raises(InputError, match=r"The frame has no column 'square'\. Did you mean 'squares'\?"):
        adjusted_gain.step_error(frame, size="n", before="old", after="new", squares="square")
