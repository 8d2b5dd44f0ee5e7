"""The picture of published survivorship: says in words what it shows, and refuses what it cannot show."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures
from soa_evidence.reporting.figures import curve_lines
from soa_evidence.results import Check, Curve

POINTS = pd.DataFrame(
    {
        "label": ["Norway", "Norway", "Sweden"],
        "time": [10.0, 15.0, 10.0],
        "estimate": [0.93, 0.87, 0.94],
        "lower": [0.923, 0.864, 0.936],
        "upper": [0.935, 0.874, 0.943],
    }
)


def curve(label, lower, upper, estimand="survival"):
    times = np.array([10.0, 15.0])
    check = Check(name="c", verdict="pass", observed="", expected="", why="")
    return Curve(
        estimand=estimand, label=label, time_unit="years", method="m", time=times,
        estimate=np.array([0.93, 0.87]), lower=np.array(lower), upper=np.array(upper), std_error=np.zeros(2),
        at_risk=np.full(2, np.nan), events=np.full(2, np.nan), level=0.95, interval="confidence",
        checks=(check,),
    )  # fmt: skip


AVERAGE = curve("average registry", [0.90, 0.80], [0.95, 0.92])
ANOTHER = curve("one more registry", [0.5, 0.3], [0.99, 0.98])
NEW = {"time": 10.0, "estimate": 0.95, "lower": 0.94, "upper": 0.96}


def figure(points=POINTS, average=AVERAGE, another=ANOTHER, **options):
    return figures.survivorship(
        points, average, another, id="f", title="Title", subtitle="Subtitle", **options
    )


def test_it_says_in_words_what_it_shows():
    shown = figure(new_result=NEW)
    assert "Norway at 15 years: 87.0% (86.4% to 87.4%)" in shown.description
    assert "new result at 10 years: 95.0%" in shown.description
    assert "one more registry at 15: 87.0% (30.0% to 98.0%)" in shown.description
    for name in ("Norway", "Sweden", "new result", "one more study"):
        assert name in shown.svg
        assert name in shown.svg_narrow
    assert len(shown.frame) == 3 + 1 + 2 + 2


def test_wide_bands_do_not_squeeze_the_points():
    """The band of one more study reaches 30 %; the axis begins near the points and says so."""
    assert "axis starts at 84%" in figure().svg


def test_one_time_alone_can_be_shown():
    alone = curve("average registry", [0.9, 0.8], [0.95, 0.92])
    one = Curve(
        **{name: getattr(alone, name)[:1] for name in ("time", "estimate", "lower", "upper", "std_error")},
        at_risk=np.array([np.nan]), events=np.array([np.nan]), estimand="survival", label="average registry",
        time_unit="years", method="m", level=0.95, interval="confidence", checks=alone.checks,
    )  # fmt: skip
    assert "Norway" in figure(POINTS[POINTS["time"] == 10], one, one).svg


def test_percentages_along_the_axis_are_the_ticks():
    """Ticks 2.5 points apart need a decimal, or 92.5 would read 92."""

    class Axis:
        formatter = None

        def set_major_formatter(self, formatter):
            self.formatter = formatter

    class Axes:
        yaxis = Axis()

        def get_yticks(self):
            return [0.9, 0.925, 0.95]

    axes = Axes()
    curve_lines.style_percent(axes)
    assert axes.yaxis.formatter(0.925, None) == "92.5%"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": POINTS.drop(columns="lower")}, r"frame of published points has no column 'lower'"),
        ({"points": POINTS.assign(estimate=[93, 87, 94])}, r"survival lies outside 0 to 1; give shares"),
        ({"points": POINTS.assign(time=[10, None, 10])}, r"row 2, column 'time'"),
        ({"new_result": {"time": 10.0, "estimate": 0.95}}, r"frame of new result has no column 'lower'"),
        (
            {"average": curve("average", [0.9, 0.8], [0.95, 0.92], "cumulative incidence")},
            r"curve 'average' shows cumulative incidence, not survival",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        figure(**options)
