import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import figures
from soa_evidence.reporting.bundle import MIME
from soa_evidence.reporting.figures import style
from soa_evidence.results import Check, Curve

HOSTILE = ["<script>alert(1)</script>", "=cmd()", "‮evil", "😀 مستشفى", "N" * 400, "$x^$ & co", "a\nb\x07"]
WORDS = {"title": "A finding", "subtitle": "What is drawn"}


def units(n=7, labels=HOSTILE):
    at = np.arange(n, dtype=float)
    return pd.DataFrame(
        {
            "label": [labels[i % len(labels)] if i < len(labels) else f"unit {i}" for i in range(n)],
            "group": [
                ["specialist orthopaedic", "large acute", "independent sector"][i % 3] for i in range(n)
            ],
            "estimate": 40 + at,
            "lower": 35 + at,
            "upper": 45 + at,
            "rank_lower": np.maximum(1, at - 2),
            "rank_upper": np.minimum(n, at + 3),
            "volume": 100 + 10 * at,
        }
    )


CHECK = Check(name="c", verdict="pass", observed="o", expected="e", why="w")


def curve(label, *, estimand="survival", cause=None, rate=0.02, times=400):
    time = np.linspace(0.03, 12, times)
    gone = 1 - np.exp(-rate * time)
    estimate = 1 - gone if estimand == "survival" else gone
    return Curve(
        estimand=estimand, label=label, cause=cause, time_unit="years", method="m", time=time,
        estimate=estimate, lower=estimate * 0.98, upper=np.minimum(1, estimate * 1.02),
        std_error=0.01 * estimate, at_risk=np.arange(times, 0, -1.0), events=np.ones(times), level=0.95,
        interval="confidence", checks=(CHECK,),
    )  # fmt: skip


def causes(groups=("a", "b", "c")):
    both = {"infection": 0.001, "loosening": 0.002}
    return [
        curve(g, estimand="cumulative incidence", cause=c, rate=r) for g in groups for c, r in both.items()
    ]


def at_risk(labels):
    return pd.DataFrame([[9000, 4000, 12]] * len(labels), index=labels, columns=[0.0, 5.0, 10.0])


def every_kind(**more):
    u = units()
    statistics = pd.DataFrame(
        {"statistic": HOSTILE[:2], "observed": [1.0, 9.0], "lower": [0.0, 1.0],
         "median": [1.0, 2.0], "upper": [2.0, 3.0]}
    )  # fmt: skip
    limits = pd.DataFrame({"volume": [50.0, 200.0], "lower": [30.0, 38.0], "upper": [60.0, 50.0]})
    margins = pd.DataFrame({"margin": [0.0, 5.0, 10.0], "probability": [0.9, 0.5, 0.1]})
    both = {**WORDS, **more}
    return {
        "class": figures.class_comparison(u, u, unit_text="per 1,000", id="class", reference=42.0, **both),
        "order": figures.caterpillar(u, unit_text="per 1,000", id="order", highlight=HOSTILE[:2], **both),
        "forest": figures.forest(u, unit_text="per 1,000", id="forest", sides=("fewer", "more"), **both),
        "beside": figures.beside(
            u.assign(nation=40.0, own_class=[np.nan, *[41.0] * (len(u) - 1)]),
            unit_text="per 1,000",
            own=HOSTILE[0],
            others={"nation": "the nation", "own_class": HOSTILE[4]},
            id="beside",
            **both,
        ),
        "ratio": figures.forest(u, unit_text="ratio", id="ratio", reference=1, log=True, **both),
        "funnel": figures.funnel(
            u, limits, reference=42.0, volume_text="patients", unit_text="per 1,000", id="funnel",
            highlight=HOSTILE[4:5], **both,
        ),
        "check": figures.predictive_check(statistics, id="check", **both),
        "survival": figures.survival_curves(
            [curve(name, rate=0.02 + k / 1000) for k, name in enumerate(HOSTILE)],
            at_risk=at_risk(HOSTILE), id="survival", horizon=10, **both,
        ),
        "stack": figures.stacked_incidence(causes(HOSTILE[:3]), id="stack", horizon=10, **both),
        "curve": figures.probability_curve(margins, margin_text="fewer", id="curve", at=5.0, **both),
    }  # fmt: skip


@pytest.fixture(scope="module")
def drawn():
    return every_kind()


def test_hostile_names_stay_inert_in_every_figure(drawn):
    for figure in drawn.values():
        shown = figure.bundle()
        for svg in re.findall(r"<svg.*?</svg>", shown["text/html"], re.DOTALL):
            tree = ElementTree.fromstring(svg)  # well-formed, so nothing broke out of its text
            assert not [e for e in tree.iter() if e.tag.endswith(("script", "image", "foreignObject"))]
        assert "<script" not in shown["text/html"]
        assert "‮" not in shown["text/html"]
        assert not re.search(r"^[=@]", shown[MIME]["csv"], re.MULTILINE)
        longest = max(re.findall(r"<text[^>]*>([^<]*)", figure.svg_narrow), key=len)
        assert len(longest) < 60


def test_every_figure_is_named_described_and_unique_in_its_ids(drawn):
    html = "".join(figure.bundle()["text/html"] for figure in drawn.values())
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for svg in re.findall(r"<svg [^>]*>", html):
        named = re.search(r'aria-labelledby="([^"]+)"', svg)
        assert named, svg
        assert set(named.group(1).split()) <= set(ids)
        assert 'role="img"' in svg
        assert "viewBox" in svg
        assert " width=" not in svg
    used = set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r"url\(#([^)]+)\)", html))
    assert used <= set(ids)


def test_a_figure_is_the_same_bytes_each_time(drawn):
    again = every_kind()
    assert all(again[kind].svg == drawn[kind].svg for kind in drawn)
    assert not re.search(r"<metadata|<dc:|\d{4}-\d\d-\d\dT", drawn["class"].svg)


def test_descriptions_come_from_the_data(drawn):
    assert "Of these, 0 lie wholly below no difference, 7 wholly above" in drawn["forest"].description
    assert "The 7 hospitals range from 40 to 46" in drawn["class"].description
    assert (
        "2 statistics of the data beside 95% of replicated data; 1 lie inside" in drawn["check"].description
    )
    assert "it is a realistic possibility (50%)" in drawn["curve"].description
    assert "position between 1st and 4th of 7" in drawn["order"].description


def test_synthetic_data_say_so_on_the_face_of_every_figure():
    for figure in every_kind(synthetic=True).values():
        assert figure.svg.count("SYNTHETIC DATA") == 1
        assert figure.svg_narrow.count("SYNTHETIC DATA") == 1
        assert figure.description.startswith("Synthetic data")
        assert figure.subtitle.startswith("Synthetic data")


def test_a_class_keeps_its_mark():
    names = ("specialist orthopaedic", "large acute", "NHS general, small", "independent sector", "trial")
    families = ["specialist", "general", "general", "independent", "other"]
    assert [style.mark_of(name).family for name in names] == families


def test_two_hundred_and_seventy_units_stay_light():
    figure = figures.caterpillar(units(270), unit_text="per 1,000", id="order", **WORDS)
    assert len(figure.svg) < 100_000
    assert len(figure.frame) == 270


def test_a_title_may_be_a_sentence_but_holds_no_typed_figure():
    n = reporting.number(4, id="x", estimand="e", unit="u", method="m", population="p", evidence=["a"])
    rows = units()
    figure = figures.forest(
        rows, unit_text="u", id="f", title=reporting.sentence("{n} fewer", n=n), subtitle="s"
    )
    assert 'href="#number-x"' in figure.bundle()["text/html"]
    assert figure.bundle()[MIME]["ledger"][0]["id"] == "x"
    with pytest.raises(InputError, match="The title of figure 'f' holds a figure typed by hand"):
        figures.forest(rows, unit_text="u", id="f", title="4 fewer", subtitle="s")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rows": units().rename(columns={"estimate": "estimat"})},
            "no column 'estimate'. Did you mean 'estimat'",
        ),
        ({"rows": units().assign(lower=np.nan)}, "row 1, column 'lower' is 'nan'; expected a finite number"),
        ({"rows": units().head(0)}, "has no rows"),
        ({"id": "A figure"}, "such as 'a-figure'"),
        ({"log": True, "reference": 0}, "values and a reference above 0"),
    ],
)
def test_a_figure_that_cannot_be_drawn_says_why(change, message):
    arguments = {"rows": units(), "unit_text": "u", "id": "f", **WORDS, **change}
    with pytest.raises(InputError, match=message):
        figures.forest(arguments.pop("rows"), **arguments)


@pytest.mark.parametrize(
    ("others", "message"), [({}, "given 0 kinds"), ({"nation": "the nation"}, "no column 'nation'")]
)
def test_a_unit_beside_nothing_is_not_drawn(others, message):
    with pytest.raises(InputError, match=message):
        figures.beside(units(), unit_text="u", own="A", others=others, id="b", **WORDS)


def test_a_highlight_that_is_no_unit_names_the_nearest():
    plain = units(labels=["Northern", "Southern"]).head(2)
    with pytest.raises(InputError, match=r"no unit is called 'Nothern'\. Did you mean 'Northern'"):
        figures.caterpillar(plain, unit_text="u", id="f", highlight=["Nothern"], **WORDS)


def funnel_of(flags, levels):
    frame = units().iloc[: len(flags)].assign(flag=flags, volume=range(100, 100 + len(flags)))
    limits = pd.concat(
        pd.DataFrame({"volume": [50.0, 200.0], "lower": [30.0, 38.0], "upper": [60.0, 50.0], "level": level})
        for level in levels
    )
    words = {"reference": 42.0, "volume_text": "patients", "unit_text": "per 1,000", "id": "flags", **WORDS}
    return frame, figures.funnel(frame, limits, **words)


def test_a_funnel_draws_the_flagged_in_full_and_says_who_they_are():
    frame, drawn = funnel_of(["within", "above 95%", "within"], ["95%"])
    assert list(drawn.frame["flag"]) == ["within", "above 95%", "within"]
    assert f"Flagged: 1 {frame['group'].iloc[1]} above 95%." in drawn.description
    assert drawn.svg.count("opacity: 0.3") > 0
    assert "opacity: 0.75" in drawn.svg
    assert "Flagged: none." in funnel_of(["within"] * 3, ["95%"])[1].description


def test_a_funnel_of_three_levels_names_its_lines_in_a_key_of_their_own():
    keyed = funnel_of(["within"] * 3, ["NHS Digital's 95%", "NHS Digital's 99.8%", "95% widened"])[1]
    for name in ("95% widened", "99.8%"):
        assert keyed.svg.count(name) == 1
        assert keyed.svg_narrow.count(name) == 1


def test_reporting_does_not_load_matplotlib_until_it_draws():
    code = "import sys, soa_evidence.reporting as r; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_survival_readings_are_the_steps_in_force_not_the_thinned_drawing():
    steep = curve("a", rate=0.1, times=5000)
    figure = figures.survival_curves([steep], id="km", horizon=10, **WORDS)
    read = figure.frame.set_index("time")["estimate"]
    assert read.loc[5.0] == steep.at([5.0])["estimate"].iloc[0]
    assert "a at 10 years: 36.8%" in figure.description
    assert "axis starts at" not in figure.svg
    assert "axis starts at" in figures.survival_curves([curve("a")], id="km", **WORDS).svg


def test_two_lines_of_one_hue_have_different_dashes():
    figure = figures.survival_curves([curve("large acute"), curve("small acute")], id="km", **WORDS)
    assert figure.svg.count("stroke-dasharray: ") >= 1


def test_stacked_causes_share_one_scale_and_add_up():
    figure = figures.stacked_incidence(causes(), id="stack", horizon=10, **WORDS)
    last = figure.frame[figure.frame["time"] == 10].groupby("label")["estimate"].sum()
    assert last.to_numpy() == pytest.approx([2 - np.exp(-0.01) - np.exp(-0.02)] * 3, abs=2e-4)
    assert "a: infection 1.0%, loosening 2.0%; together 3.0%" in figure.description


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ([], {}, "no curves were given"),
        ([curve("a"), curve("a")], {}, "two curves are called 'a'"),
        ([curve("a"), curve("b", estimand="cumulative hazard")], {}, "one figure shows one estimand"),
        ([curve("a")], {"horizon": 13}, "the horizon is 13; the curves are known to 12 years"),
        ([curve("a")], {"at_risk": at_risk(["b"])}, "no row 'a'; expected one for each curve"),
        (
            [curve("a")],
            {"at_risk": at_risk(["a"]).set_axis([20, 30, 40], axis=1)},
            "expected times as columns",
        ),
    ],
)
def test_curves_that_cannot_share_axes_say_why(given, more, message):
    with pytest.raises(InputError, match=message):
        figures.survival_curves(given, id="km", **WORDS, **more)


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ([curve("a")], {}, "the curve of 'a' is a survival; only cumulative incidences"),
        ([], {}, "no curves were given"),
        (causes()[:-1], {}, "cause 'loosening' is not there for every group"),
        (causes(), {"order": ["infection", "wear"]}, "not in the order given"),
        (
            [curve("a", estimand="cumulative incidence", cause=str(k)) for k in range(9)],
            {},
            "9 causes cannot",
        ),
    ],
)
def test_causes_that_cannot_be_stacked_say_why(given, more, message):
    with pytest.raises(InputError, match=message):
        figures.stacked_incidence(given, id="stack", **WORDS, **more)
