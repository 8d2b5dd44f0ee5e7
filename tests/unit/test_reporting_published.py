"""Figures and lists of published evidence: drawn twice, told in words, refused when they would mislead."""

import pandas as pd
import pytest

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import figures

STUDIES = pd.DataFrame(
    {
        "label": ["Ames 2001", "Boyd 2002"],
        "estimate": [1.6, 0.8],
        "lower": [1.3, 0.7],
        "upper": [1.9, 0.9],
        "weight_percent": [40.0, 60.0],
        "result_id": ["T2-01", "T2-02"],
    }
)
WAYS = pd.DataFrame(
    {
        "way": ["average, Bayesian", "average, Hartung–Knapp", "new study, t (k − 1)"],
        "estimate": [1.1, 1.1, 1.1],
        "lower": [0.8, 0.0005, 0.0001],
        "upper": [1.5, 3636.0, 9000.0],
    }
)
FOREST = {
    "unit_text": "odds ratio",
    "id": "f",
    "title": "T",
    "subtitle": "S",
    "ratio": True,
    "sides": ("worse", "better"),
}


def test_a_forest_in_words_names_every_study_average_and_side():
    figure = figures.study_forest(STUDIES, WAYS, **FOREST)
    parts = (
        "Ames 2001: 1.60 (1.30 to 1.90), weight 40%",
        "Average, Bayesian: 1.10 (0.80 to 1.50)",
        "over 1,000",
        "1 lie wholly left and 1 wholly right",
        "means worse",
    )
    for part in parts:
        assert part in figure.description
    assert list(figure.frame["what"]) == ["study", "study", "together", "together", "new study"]
    assert figure.frame["result_id"].iloc[0] == "T2-01"
    assert figure.svg != figure.svg_narrow
    assert 'role="img"' in figure.bundle()["text/html"]


def test_the_axis_is_not_stretched_by_an_average_that_reaches_to_nowhere():
    alone = figures.study_forest(STUDIES, WAYS.iloc[:1], **FOREST)
    more = figures.study_forest(STUDIES, WAYS, **FOREST)
    ticks = [svg.split("odds ratio")[0].count("1.25") for svg in (alone.svg, more.svg)]
    assert ticks[0] == ticks[1]


BAD_FORESTS = {
    "no studies": (STUDIES.iloc[:0], {}, "has no rows"),
    "a missing column": (STUDIES.drop(columns="lower"), {}, "no column 'lower'"),
    "logs instead of ratios": (STUDIES.assign(lower=[-0.1, 0.2]), {}, "a ratio is above 0; were logs given"),
    "a limit that is none": (STUDIES.assign(upper=[float("inf"), 1.0]), {}, "expected a finite number"),
    "a weight below nought": (STUDIES.assign(weight_percent=[-1.0, 101.0]), {}, "a weight is below 0"),
    "an id with spaces": (STUDIES, {"id": "a b"}, "A figure is called 'a b'"),
    "a figure typed into the title": (STUDIES, {"title": "Odds 1.6"}, "holds a figure typed by hand"),
}


@pytest.mark.parametrize("case", BAD_FORESTS)
def test_bad_forests_are_refused(case):
    frame, change, says = BAD_FORESTS[case]
    with pytest.raises(InputError, match=says):
        figures.study_forest(frame, **{**FOREST, **change})


DOMAINS = pd.DataFrame(
    {
        "study": ["ames"] * 2,
        "domain": ["1", "2"],
        "name": ["confounding", "selection"],
        "judgement": ["serious", "low"],
    }
)
OVERALL = pd.DataFrame({"study": ["ames"], "judgement": ["serious"]})


def test_judgements_are_told_by_letter_and_word_not_by_colour_alone():
    figure = figures.risk_of_bias(
        DOMAINS, OVERALL, id="b", title="T", subtitle="S", labels=pd.Series({"ames": "Ames 2001"})
    )
    assert "Overall: 1 serious" in figure.description
    assert figure.frame["label"].iloc[0] == "Ames 2001"
    for text in (">S<", ">L<", ">serious<", ">low<"):
        assert text in figure.svg.replace(" ", "")
    marks = [shape + letter for shape, letter, _ in figures.risk_of_bias.__globals__["JUDGEMENTS"].values()]
    assert len(set(marks)) == len(marks)


BAD_BIAS = {
    "an unknown judgement": (DOMAINS.assign(judgement="bad"), OVERALL, "has no mark for 'bad'"),
    "a missing column": (DOMAINS.drop(columns="name"), OVERALL, "no column 'name'"),
    "nobody judged": (DOMAINS, OVERALL.iloc[:0], "no study was judged"),
}


@pytest.mark.parametrize("case", BAD_BIAS)
def test_bad_judgements_are_refused(case):
    domains, overall, says = BAD_BIAS[case]
    with pytest.raises(InputError, match=says):
        figures.risk_of_bias(domains, overall, id="b", title="T", subtitle="S")


STEPS = pd.DataFrame(
    {
        "box": ["found", "left out", "kept"],
        "count": [10, 6, 4],
        "role": ["main", "out", "main"],
        "details": [[], [("too old", 2), ("too new", 4)], []],
    }
)


def test_a_flow_in_words():
    figure = figures.prisma_flow(STEPS, id="flow", title="T", subtitle="S", noun="figures")
    assert (
        "Found: 10 figures. Left out there, left out: 6 figures (2 too old; 4 too new). Kept: 4 figures."
        in figure.description
    )
    assert list(figure.frame["figures"]) == [10, 6, 2, 4, 4]
    assert "too old" in figure.svg
    assert "too old" in figure.svg_narrow


BAD_FLOWS = {
    "a missing column": (STEPS.drop(columns="role"), "no column 'role'"),
    "an unknown role": (STEPS.assign(role=["main", "aside", "main"]), "not 'aside'"),
    "out before anything": (STEPS.iloc[1:], "begins with a box of role 'main'"),
    "nothing": (STEPS.iloc[:0], "begins with a box of role 'main'"),
}


@pytest.mark.parametrize("case", BAD_FLOWS)
def test_bad_flows_are_not_drawn(case):
    steps, says = BAD_FLOWS[case]
    with pytest.raises(InputError, match=says):
        figures.prisma_flow(steps, id="flow", title="T", subtitle="S")


PAPERS = pd.DataFrame(
    {
        "label": ["Ames 2001", "Boyd"],
        "citation": ["Ames A. <b>Hips</b>. J Hip 2001;1:1", "Boyd B. Knees."],
        "doi": ["10.1000/hip", None],
        "link": ["https://doi.org/10.1000/hip", "javascript:alert(1)"],
        "read_at_level": ["abstract", "secondary"],
        "rows": ["T1-01, T1-02", "T1-03"],
    }
)


def test_papers_are_listed_inert_with_links_that_can_be_followed():
    html = reporting.citations(PAPERS, id="papers", title="Papers").bundle()["text/html"]
    assert '<a href="https://doi.org/10.1000/hip" rel="noreferrer">doi:10.1000/hip</a>' in html
    assert "javascript" not in html.split("download")[0]
    assert "<b>Hips" not in html
    assert "Rows T1-01, T1-02; read: abstract" in html


BAD_PAPERS = {
    "a missing column": (PAPERS.drop(columns="rows"), "p", "no column 'rows'"),
    "none": (PAPERS.iloc[:0], "p", "rests on at least one paper"),
    "one that cites nothing": (PAPERS.assign(citation=["x", " "]), "p", "Boyd cites nothing"),
    "a bad name": (PAPERS, "P 1", "expected a name such as 'p-1'"),
}


@pytest.mark.parametrize("case", BAD_PAPERS)
def test_bad_papers_are_refused(case):
    frame, name, says = BAD_PAPERS[case]
    with pytest.raises(InputError, match=says):
        reporting.citations(frame, id=name, title="Papers")


READINGS = pd.DataFrame(
    {
        "reading": ["for", "against", "not used", "for"],
        "outcome": ["death", "death", "death", "stay"],
        "label": ["Ames", "Boyd", "Cole", "Dale"],
        "effect": [1.5, 0.8, 1.2, 1.67],
        "estimate": [1.5, 0.8, None, None],
        "lower": [1.2, 0.7, None, None],
        "upper": [1.9, 0.9, None, None],
        "result_id": ["T1-01", "T1-02", "T1-03", "T1-04"],
        "note": [None, None, None, "longer"],
        "main_contrast": [True, True, True, True],
    }
)


def test_for_and_against_stand_side_by_side():
    frame = reporting.findings.ledger(READINGS, id="l", title="T").frame.set_index("outcome")
    assert frame.loc["Death", "for"] == "Ames: 1.50 (1.20 to 1.90) [T1-01]"
    assert frame.loc["Death", "against"] == "Boyd: 0.80 (0.70 to 0.90) [T1-02]"
    assert frame.loc["Stay", "for"] == "Dale: 1.67, without interval [T1-04]"
    assert "Cole" not in frame.to_string()
    with pytest.raises(InputError, match="no result reads for, against or neither"):
        reporting.findings.ledger(READINGS[READINGS["reading"] == "not used"], id="l", title="T")
    with pytest.raises(InputError, match="no column 'note'"):
        reporting.findings.ledger(READINGS.drop(columns="note"), id="l", title="T")
