"""Places by area: every dot told apart by its interval, no dot over another, areas in their order."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures
from soa_evidence.reporting.figures import style

#: The file; its name in the package is the figure.
place_strips = import_module("soa_evidence.reporting.figures.place_strips")


def places(**more):
    return pd.DataFrame(
        {
            "label": ["Up <b>", "Down", "Like", "Alone"],
            "area": ["East", "East", "East", "West"],
            "region": ["Here", "Here", "Here", "There"],
            "estimate": [1.5, 0.5, 1.0, 0.98],
            "lower": [1.2, 0.4, 0.8, 0.7],
            "upper": [1.9, 0.7, 1.25, 1.3],
            **more,
        }
    )


def drawn(frame, **more):
    given = {
        "unit_text": "times the expected", "reference": 1.0, "reference_label": "the nation",
        "sides": ("fewer", "more"), "id": "strips", "title": "T", "subtitle": "S",
    } | more  # fmt: skip
    return figures.place_strips(frame, **given)


def test_it_tells_each_area_its_middle_and_what_lies_beyond_the_nation():
    figure = drawn(places(), named=["Down"], places_text="commissioners")
    assert figure.description == (
        "4 commissioners in 2 areas, in times the expected; the nation is 1.00. "
        "East (Here): 3, from 0.50 to 1.50, the middle 1.00; 1 wholly above the nation, 1 wholly below. "
        "West (There): 1, from 0.98 to 0.98, the middle 0.98; 0 wholly above the nation, 0 wholly below. "
        "In all, 1 lie wholly above the nation, 1 wholly below, and 2 have intervals that hold it."
    )
    assert list(figure.frame.columns) == ["label", "area", "region", "estimate", "lower", "upper"]
    assert len(figure.frame) == 4
    for svg in (figure.svg, figure.svg_narrow):
        for text in ("HERE", "THERE", "the nation", "middle of the area", "0.98", "Down"):
            assert f">{text}<" in svg
        assert svg.index(">East<") < svg.index(">West<")
        assert "<b>" not in svg
    assert figure.svg != figure.svg_narrow


def test_an_interval_that_ends_at_the_nation_holds_it():
    at_one = places(lower=[1.0, 0.4, 0.8, 0.7], upper=[1.9, 1.0, 1.25, 1.3])
    assert "0 lie wholly above the nation, 0 wholly below, and 4" in drawn(at_one).description


@pytest.mark.parametrize("size", style.SIZES, ids=lambda size: size.name)
@pytest.mark.parametrize("values", [np.ones(40), np.exp(np.random.default_rng(3).normal(0, 0.3, 60))])
def test_no_dot_covers_another(size, values):
    own = pd.DataFrame({"estimate": values, "lower": values * 0.8, "upper": values * 1.25})
    level = place_strips._stacked(own, own, 1.0, size)
    low, high = min(own["lower"].min(), 1.0), max(own["upper"].max(), 1.0)
    x = 0.976 * size.width / 1.1 * np.log(values / low) / np.log(high / low)
    apart = np.hypot(x[:, None] - x, (level[:, None] - level) * place_strips._LEVEL)
    assert apart[~np.eye(len(values), dtype=bool)].min() >= place_strips._DOT - 1e-9
    assert abs(int(level.max() + level.min())) <= 1


def test_a_crowd_makes_its_strip_taller_and_the_order_of_places_is_theirs():
    def tall(svg):
        return float(svg.split('viewBox="')[1].split('"')[0].split()[3])

    crowd = pd.concat([places(), *(places().iloc[[2]].assign(label=f"n{k}") for k in range(20))])
    assert tall(drawn(crowd).svg) > tall(drawn(places()).svg) + 100
    turned = drawn(places().iloc[::-1])
    assert turned.svg.index(">West<") < turned.svg.index(">East<")


def test_synthetic_data_say_so():
    assert drawn(places(), synthetic=True).description.startswith("Synthetic data, not real patients.")


@pytest.mark.parametrize(
    ("frame", "more", "message"),
    [
        (places().drop(columns="upper"), {}, "has no column 'upper'"),
        (places().rename(columns={"area": "areas"}), {}, "no column 'area'. Did you mean 'areas'"),
        (places().iloc[:0], {}, "has no rows"),
        (places(estimate=[1.5, np.nan, 1.0, 1.0]), {}, "row 2, column 'estimate' is 'nan'"),
        (places(lower=[0.0, 0.4, 0.8, 0.7]), {}, "needs values and a reference above 0"),
        (places(), {"reference": 0.0}, "needs values and a reference above 0"),
        (places(lower=[1.6, 0.4, 0.8, 0.7]), {}, "interval of 'Up <b>' does not hold its estimate"),
        (places(area="East"), {}, "area 'East' lies in regions Here and There"),
        (places(), {"named": ["Dwn"]}, "there is no place 'Dwn'. Did you mean 'Down'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(frame, more, message):
    with pytest.raises(InputError, match=message):
        drawn(frame, **more)
