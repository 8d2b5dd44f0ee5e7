"""Nothing that is drawn leaves its canvas, and what is long is written in lines."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from soa_evidence.reporting import figures, formats
from soa_evidence.reporting.figures import layout, style
from soa_evidence.reporting.figures.forest import log_axis

WIDE, NARROW = style.SIZES
WORDS = {"title": "A finding", "subtitle": "what is drawn"}
LONG = "patients per thousand who reported on the questionnaire that they had been readmitted"


def canvas_of(width=360, height=200):
    return Canvas(figsize=(width / 72, height / 72), dpi=72)


def inside(text, width):
    box = text.get_window_extent()
    return box.x0 >= 2 and box.x1 <= width - 2


def test_a_label_wider_than_the_canvas_is_wrapped_and_what_is_beneath_goes_down():
    canvas = canvas_of()
    axes = canvas.add_axes((0.01, 0.4, 0.98, 0.5))
    axes.set_xlabel(LONG, fontsize=13)
    style.sides(axes, ("fewer", "more"))
    before = axes.texts[0].xyann[1]
    box = layout.settle(canvas, 360)
    lines = axes.xaxis.label.get_text().split("\n")
    assert " ".join(lines) == LONG
    assert len(lines) > 1
    assert inside(axes.xaxis.label, 360)
    assert axes.texts[0].xyann[1] == pytest.approx(before - layout._LINE * (len(lines) - 1))
    beneath = [text.get_window_extent().y0 for text in axes.texts]
    assert box.y0 * 72 == pytest.approx(min(*beneath, axes.xaxis.label.get_window_extent().y0) - 8, abs=1)


def test_texts_that_stick_out_are_pushed_back():
    canvas = canvas_of()
    axes = canvas.add_axes((0.0, 0.3, 1.0, 0.6))
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["nought per cent", "half", "a hundred per cent"])
    plain = axes.text(1.0, 0.5, "at the right", ha="center")
    noted = axes.annotate("at the left", (0, 0.5), xytext=(-30, 0), textcoords="offset points")
    layout.settle(canvas, 360)
    ticks = [tick.label1 for tick in axes.xaxis.get_major_ticks()]
    assert [inside(text, 360) for text in (plain, noted, *ticks)] == [True] * 5


def test_the_canvas_is_as_tall_as_what_it_holds_and_keeps_its_width():
    canvas = canvas_of(height=400)
    axes = canvas.add_axes((0.2, 0.5, 0.6, 0.2))
    axes.text(0, 1.9, "far above", transform=axes.transAxes)
    box = layout.settle(canvas, 360)
    assert box.width * 72 == pytest.approx(360)
    assert 100 < box.height * 72 < 240
    drawn = style.render(lambda c, _: c.add_axes((0.2, 0.5, 0.6, 0.2)), id="x", height=lambda _: 400,
                         synthetic=False)  # fmt: skip
    sizes = {
        name: [float(v) for v in re.search(r'viewBox="([^"]+)"', svg)[1].split()]
        for name, svg in drawn.items()
    }
    assert {name: round(size[2]) for name, size in sizes.items()} == {"wide": 680, "narrow": 360}
    assert all(size[3] < 150 for size in sizes.values())


def test_a_long_name_takes_lines_and_the_rows_have_room_for_them():
    name = "The Robert Jones and Agnes Hunt Orthopaedic Hospital NHS Foundation Trust"
    assert " ".join(style.head_lines(name, "95th to 254th", NARROW)) == name
    assert len(style.head_lines(name, "95th to 254th", NARROW)) == 3
    assert style.head_room([("short", "1"), (name, "95th to 254th")], NARROW) == 2 * 17
    assert style.head_room([], WIDE) == 0
    assert style.wrapped("x" * 400, 20, most=2)[1].endswith("…")
    assert style.wrapped("", 20) == [""]
    assert style.wrapped("caseload >=10", 20) == ["caseload ≥10"]
    rows = pd.DataFrame({"label": [name, "b"], "estimate": [1.0, 2], "lower": [0.0, 1], "upper": [2.0, 3]})
    drawn = figures.forest(rows, unit_text="u", id="f", reference=0, **WORDS)
    assert "Foundation Trust" in drawn.svg_narrow
    assert "…" not in drawn.svg_narrow


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((44, 37, 53, 0), "44 (37 to 53)"),
        ((1800, 1800, 1800, 0), "1,800"),
        ((-20, -20.4, -19.6, 0), "−20.0 (−20.4 to −19.6)"),
        ((0.5, 0.4996, 0.5004, 1), "0.5000 (0.4996 to 0.5004)"),
        ((0, -1e-9, 1e-9, 0), "0.000000 (0.000000 to 0.000000)"),
    ],
)
def test_limits_that_would_read_the_same_get_decimals_and_none_are_left_out(values, text):
    assert formats.with_limits(*values) == text


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize(("low", "high"), [(0.125, 2.0), (0.93, 1.1), (0.04, 12), (0.6, 10), (0.999, 1.001)])
def test_a_logarithmic_axis_has_round_values_apart_and_the_reference(size, low, high):
    canvas = canvas_of(size.width)
    axes = canvas.add_axes((0.012, 0.3, 0.976, 0.6))
    log_axis(axes, pd.DataFrame({"lower": [low], "upper": [high]}), 1.0, size)
    ticks = axes.get_xticks()
    assert 1.0 in ticks
    left, right = np.log(axes.get_xlim())
    gaps = [0.976 * size.width * (np.log(b) - np.log(a)) / (right - left) for a, b in pairwise(ticks)]
    assert all(gap >= 43 for gap in gaps)
    assert len(ticks) >= 3 or (low, high) == (0.999, 1.001)


@pytest.mark.parametrize(
    ("groups", "named"),
    [(["specialist", "general"], ">general<"), (["specialist", "NHS general"], ">NHS general<")],
)
def test_a_general_hospital_abroad_is_no_hospital_of_the_nhs(groups, named):
    drawn = style.render(
        lambda canvas, _: style.legend(canvas, groups, top=22), id="x", height=lambda _: 60, synthetic=False
    )
    assert all(named in svg for svg in drawn.values())


def test_recorded_levels_are_named_in_words():
    grid = pd.DataFrame(
        [(r, i, 10 * i, 10 * i - 1, 10 * i + 1) for r in (1.5, 3.0) for i in (-0.2, 0.0, 0.2)],
        columns=["risk_ratio", "imbalance", "estimate", "lower", "upper"],
    )
    recorded = pd.DataFrame({"label": ["age_band: under 50"], "risk_ratio": [1.4], "imbalance": [0.1]})
    drawn = figures.tipping_point(grid, benchmarks=recorded, id="t", **WORDS)
    assert "age: under 50" in drawn.svg
    assert "age_band" not in drawn.svg + drawn.description


def test_a_ratio_is_never_written_as_nought():
    rows = pd.DataFrame({"label": ["a"], "estimate": [0.5], "lower": [0.02], "upper": [5.5]})
    drawn = figures.study_forest(
        rows, ratio=True, unit_text="odds ratio", sides=("worse", "better"), id="s", **WORDS
    )
    assert "0.5 (under 0.1 to 5.5)" in drawn.description


def test_a_statistical_title_begins_with_a_capital():
    rows = pd.DataFrame({"label": ["a"], "estimate": [0.5], "lower": [0.0], "upper": [1.0]})
    assert figures.forest(rows, unit_text="u", id="f", **WORDS).subtitle == "What is drawn"


def test_a_table_writes_limits_that_differ_so_that_they_do_and_none_once():
    from soa_evidence import reporting

    rows = pd.DataFrame({"of": list("abc"), "estimate": [0.0, 0.004, 40.0], "lower": [0.0, 0.002, 30.0],
                         "upper": [0.0, 0.007, 55.0]})  # fmt: skip
    html = reporting.table(rows, id="t", title="T", decimals={"estimate": 0}).bundle()["text/html"]
    assert re.findall(r'<td class="figure">([^<]*)</td>', html) == [
        "0",
        "0.00 (0.00 to 0.01)",
        "40 (30 to 55)",
    ]
    assert 'class="brief"' not in html
    told = reporting.table(rows.assign(rank="39th to 225th of 292"), id="u", title="U").bundle()["text/html"]
    assert told.count('<td class="brief">39th to 225th of 292</td>') == 3


def test_paths_are_written_without_idle_spaces_and_keep_their_numbers_apart():
    drawn = style._inert(
        '<svg viewBox="0 0 9 9"><path d="M 1.239 2 \nL 3 -4.5 \nz " id="p"/><text>M 1 L 2</text></svg>', "x"
    )
    assert 'd="M1.23 2L3 -4.5z"' in drawn
    assert "<text>M 1 L 2</text>" in drawn
