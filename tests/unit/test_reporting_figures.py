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


def every_kind(**more):
    u = units()
    statistics = pd.DataFrame(
        {"statistic": HOSTILE[:2], "observed": [1.0, 9.0], "lower": [0.0, 1.0],
         "median": [1.0, 2.0], "upper": [2.0, 3.0]}
    )  # fmt: skip
    limits = pd.DataFrame({"volume": [50.0, 200.0], "lower": [30.0, 38.0], "upper": [60.0, 50.0]})
    curve = pd.DataFrame({"margin": [0.0, 5.0, 10.0], "probability": [0.9, 0.5, 0.1]})
    both = {**WORDS, **more}
    return {
        "class": figures.class_comparison(u, u, unit_text="per 1,000", id="class", reference=42.0, **both),
        "order": figures.caterpillar(u, unit_text="per 1,000", id="order", highlight=HOSTILE[:2], **both),
        "forest": figures.forest(u, unit_text="per 1,000", id="forest", sides=("fewer", "more"), **both),
        "ratio": figures.forest(u, unit_text="ratio", id="ratio", reference=1, log=True, **both),
        "funnel": figures.funnel(
            u, limits, reference=42.0, volume_text="patients", unit_text="per 1,000", id="funnel",
            highlight=HOSTILE[4:5], **both,
        ),
        "check": figures.predictive_check(statistics, id="check", **both),
        "curve": figures.probability_curve(curve, margin_text="fewer", id="curve", at=5.0, **both),
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


def test_a_highlight_that_is_no_unit_names_the_nearest():
    plain = units(labels=["Northern", "Southern"]).head(2)
    with pytest.raises(InputError, match=r"no unit is called 'Nothern'\. Did you mean 'Northern'"):
        figures.caterpillar(plain, unit_text="u", id="f", highlight=["Nothern"], **WORDS)


def test_reporting_does_not_load_matplotlib_until_it_draws():
    code = "import sys, soa_evidence.reporting as r; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
