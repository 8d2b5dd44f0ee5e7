"""The case: where a line of evidence is put, what is said of a claim, and that nothing is left out unseen."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given as over
from hypothesis import strategies as st

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import bundle, case, evidence_lines, figures, safe
from soa_evidence.results import Check

PASS = Check(name="c", verdict="pass", observed="1", expected="1", why="w")
WARN = Check(name="d", verdict="warn", observed="1", expected="2", why="w")
HOSTILE = '<script>x</script> =1+2 "quoted" \u202eright'


def made(lower, upper, *, at=None, unit="per 1,000 patients", id="n", packages=("pack",), checks=(PASS,)):
    bare = lower is None
    estimate = at if at is not None else (lower + upper) / 2
    number = reporting.number(
        estimate, id=id, estimand="difference", label="x", unit=unit, population="p", method="m",
        evidence=packages, checks=checks, lower=lower, upper=upper,
        level=None if bare else 0.95, interval=None if bare else "credible",
    )  # fmt: skip
    return number


def line(lower, upper, *, supports="lower", direct=True, what="", **more):
    return case.line(made(lower, upper, **more), supports=supports, direct=direct, what=what)


def weighed(*lines, **more):
    told = {
        "name": "Better",
        "says": "They fare better.",
        "missing": ["a study"],
        "settles": "A trial.",
        "change": "A fact.",
    }
    return case.claim("better", lines=lines, **(told | more))


@pytest.mark.parametrize(
    ("lower", "upper", "side", "reading"),
    [
        (-12, -6, "for", "for, by an amount that matters"),
        (-12, -1, "for", "for, perhaps by too little to matter"),
        (-4, 4, "small", "any difference is small"),
        (-4, -1, "small", "any difference is small"),
        (1, 12, "against", "against, perhaps by too little to matter"),
        (6, 12, "against", "against, by an amount that matters"),
        (-12, 2, "cannot tell", "cannot tell; the contrary, by an amount that matters, is ruled out"),
        (-2, 12, "cannot tell", "cannot tell; support by an amount that matters is ruled out"),
        (-12, 12, "cannot tell", "cannot tell"),
        # ties: an end at nothing takes no side, an end at the margin is not within it
        (-12, 0, "cannot tell", "cannot tell; the contrary, by an amount that matters, is ruled out"),
        (-5, 4, "cannot tell", "cannot tell; the contrary, by an amount that matters, is ruled out"),
        (-5, 5, "cannot tell", "cannot tell"),
        (0, 0, "small", "any difference is small"),
    ],
)
def test_one_rule_puts_a_line_on_its_side(lower, upper, side, reading):
    one = line(lower, upper)
    assert (one.side, one.reading) == (side, reading)
    # the same line turned round is on the opposite side
    other = line(lower, upper, supports="higher")
    assert other.side == {"for": "against", "against": "for"}.get(side, side)


@over(
    st.floats(-100, 100), st.floats(0, 100), st.sampled_from(["lower", "higher"]),
    st.sampled_from(["per 1,000 patients", "points", "days", "log odds"]),
)  # fmt: skip
def test_the_rule_favours_neither_side(low, width, supports, unit):
    one = line(low, low + width, supports=supports, unit=unit)
    mirrored = line(-low - width, -low, supports=supports, unit=unit)
    swapped = {"for": "against", "against": "for"}
    assert mirrored.side == swapped.get(one.side, one.side)
    assert mirrored.strength == pytest.approx(one.strength)
    assert mirrored.estimate == pytest.approx(-one.estimate)


def test_a_ratio_is_measured_in_factors():
    one = line(1.25, 1.25**2, at=1.4, unit="odds ratio", supports="higher")
    assert one.interval == pytest.approx((1.0, 2.0))
    assert one.side == "for"
    assert line(0.5, 0.9, unit="ratio", supports="higher").side == "against"
    assert line(0.9, 1.1, unit="hazard ratio").side == "small"
    inverse = line(1 / 1.25**2, 1 / 1.25, at=0.7, unit="odds ratio", supports="lower")
    assert inverse.interval == pytest.approx((1.0, 2.0))


def test_a_number_printed_without_an_interval_can_be_put_nowhere():
    one = line(None, None, at=-50.0)
    assert (one.side, one.reading, one.strength) == (
        "cannot tell",
        "cannot tell: printed without an interval",
        0,
    )
    assert one.sentence.text.endswith("without interval")
    assert [check.verdict for check in weighed(one).checks] == ["warn", "pass"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"supports": "fewer"}, r"supports='fewer'; expected 'lower' or 'higher'"),
        (
            {"unit": "per 1,000 patient"},
            r"no margin is set\. Did you mean 'per 1,000 patients'\?.*Units with a margin",
        ),
        ({"unit": "odds ratio"}, r"is a ratio of -2; expected a ratio above 0"),
        (
            {"packages": ("pack", "syn-registry")},
            r"rests on synthetic data \(syn-registry\), which is no evidence",
        ),
    ],
)
def test_a_line_that_cannot_be_weighed_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        line(-2, 3, **values)


def test_a_line_is_told_with_its_bound_number_and_in_its_unit():
    assert (
        line(-14, -2, what="Readmission").sentence.text
        == "Readmission: 8 fewer (14 fewer to 2 fewer) per 1,000 patients"
    )
    assert (
        line(0.5, 0.7, at=0.6, unit="odds ratio", what="Death").sentence.text
        == "Death: odds ratio 0.60 (0.50 to 0.70)"
    )
    told = line(2, 8, unit="% change", what="HN80: a 2nd group").sentence
    assert told.text == "HN80: a 2nd group: +5.0 (+2.0 to +8.0)% change"
    assert told.numbers == ("n",)


def test_a_claim_counts_its_lines_and_says_what_they_come_to():
    pro, con, open_, little = (
        line(-12, -6, id="a"),
        line(6, 12, id="b"),
        line(-12, 12, id="c"),
        line(-1, 1, id="d"),
    )
    assert weighed(pro, con, open_, little).counts == {"for": 1, "against": 1, "cannot tell": 1, "small": 1}
    for lines, said in (
        ([pro, con, open_], "The evidence points both ways"),
        ([pro, little], "Most of the evidence supports it and none contradicts it"),
        (
            [pro, open_, little],
            "Some of the evidence supports it and none contradicts it, but most takes no side",
        ),
        ([con, open_], "Most of the evidence contradicts it and none supports it"),
        ([little], "Any difference is small"),
        ([open_, little], "We cannot tell"),
        ([open_], "We cannot tell"),
    ):
        assert weighed(*lines).answer == said
    indirect = line(-12, 12, direct=False)
    assert weighed(indirect).answer == "We cannot tell; none of it compares what the claim speaks of"
    text = weighed(pro, con, open_, little).found.text
    assert text == (
        "The evidence points both ways. Of 4 lines of evidence: for 1, against 1, cannot tell 1, any "
        "difference is small 1."
    )


def test_luck_alone_is_put_beside_the_count():
    one = weighed(*[line(-12, 12, id=f"l{i}") for i in range(4)])
    assert one.numbers["luck"].estimate == pytest.approx(1 - 0.975**4)
    assert "would still be for it" in one.by_luck.text


def test_the_strongest_of_a_side_is_direct_first_then_farthest_at_its_nearer_limit():
    far, near, indirect = (
        line(-30, -2, id="far"),
        line(-9, -6, id="near"),
        line(-90, -80, id="i", direct=False),
    )
    one = weighed(far, near, indirect)
    assert one.strongest("for") is near
    assert one.strongest("against") is None
    assert one.case_against.text == "No line lies on this side, and none leans to it."
    leaning = line(-2, 30, id="lean", what="Wounds")
    told = weighed(near, leaning).case_against.text
    assert told.startswith("No line lies on this side. The one that leans most to it: Wounds: 14 more")
    assert told.endswith("cannot tell.")
    assert weighed(indirect).case_for.text.endswith("(indirect).")


def test_certainty_is_seven_questions_answered_alike():
    strong = [line(-12, -6, id="a", packages=("one",)), line(-12, -6, id="b", packages=("two",))]
    controls = [line(-1, 1, id="k")]
    best = weighed(*strong, controls=controls, randomised=True)
    assert [asked.well for asked in best.asked] == [True] * 7
    assert best.certainty == "high"
    # six answered well, but chance decided nothing
    assert weighed(*strong, controls=controls).certainty == "low"
    # evidence shared by two lines is one source, also through a third
    chain = [line(-12, -6, id=i, packages=p) for i, p in (("a", ("x",)), ("b", ("y",)), ("c", ("x", "y")))]
    assert weighed(*chain).sources == 1
    # a control that differs, or a fragile comparison, is a sign of bias
    assert not weighed(*strong, controls=[line(-12, -6, id="k")]).asked[-1].well
    counted = {
        name: made(None, None, at=n, unit="specifications", id=name) for name, n in (("x", 70), ("y", 100))
    }
    loose = case.line(
        made(-12, -6), supports="lower", direct=True, agreeing=counted["x"], specifications=counted["y"]
    )
    assert loose.firm == 0.7
    assert "in 1 of 1 comparisons fewer than 75%" in weighed(loose).asked[-1].seen
    worst = weighed(line(-12, 12, direct=False, checks=(WARN,)))
    assert [asked.well for asked in worst.asked] == [False] * 7
    assert worst.certainty == "very low"
    # nothing direct: the lowest, whatever the rest
    apart = [
        line(-12, -6, id="a", direct=False, packages=("one",)),
        line(-12, -6, id="b", direct=False, packages=("two",)),
    ]
    assert sum(asked.well for asked in weighed(*apart, controls=controls).asked) >= 3
    assert weighed(*apart, controls=controls).certainty == "very low"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"missing": []}, "says of nothing that it is missing"),
        ({"settles": " "}, r"has an empty text \(settles\)"),
        ({"says": "They fare 3 times better."}, "Claim 'better', says, holds a figure typed by hand"),
        ({"missing": ["In 2020"]}, "missing, In 2020, holds a figure"),
    ],
)
def test_a_claim_without_its_texts_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        weighed(line(-1, 1), **values)


def test_a_claim_is_refused_without_lines_with_one_twice_or_with_a_bad_id():
    with pytest.raises(InputError, match="Claim 'better' has no line of evidence"):
        weighed()
    with pytest.raises(InputError, match="weighs number 'n' twice; keep one"):
        weighed(line(-1, 1), line(-1, 1))
    with pytest.raises(InputError, match=r"called 'A b'; expected lower-case.*'a-b'"):
        case.claim("A b", name="n", says="s", lines=[line(-1, 1)], missing=["m"], settles="s", change="c")


def published(tmp_path, id, numbers, rows=None):
    folder = tmp_path / id
    (folder / "tables").mkdir(parents=True)
    run = {"status": "published", "title": f"Report {id}", "question": "?", "checks": [], "evidence": []}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    records = [made(*limits, id=name).record() for name, limits in numbers.items()]
    (folder / "numbers.json").write_text(json.dumps(records), encoding="utf-8")
    if rows is not None:
        (folder / "tables" / "rows.csv").write_text(safe.csv_text(rows), encoding="utf-8")
    return reporting.from_report(id, folder=tmp_path)


def test_lines_take_the_same_numbers_from_each_report(tmp_path):
    one = published(tmp_path, "one", {"d.a": (-9, -6), "d.b": (1, 2), "e": (0, 1)})
    two = published(tmp_path, "two", {"d.a": (-1, 1)})
    took = case.lines([one, two], take="d.a", supports="lower", direct=True)
    assert [(x.report, x.number.id, x.what) for x in took] == [
        ("one", "one.d.a", "Report one"),
        ("two", "two.d.a", "Report two"),
    ]
    every = case.lines([one], take="d.", supports="lower", direct=False, what="Part:", fields=("label",))
    assert [x.what for x in every] == ["Part: x", "Part: x"]
    told = {"take": "d.a", "supports": "lower", "direct": True, "what": "Part:", "fields": ("label",)}
    assert case.lines([one], names={"x": "the ill"}, **told)[0].what == "Part: the ill"
    with pytest.raises(InputError, match=r"Report 'one' weighs 'x', for which names= has no plain words"):
        case.lines([one], names={"y": "the well"}, **told)
    with pytest.raises(InputError, match="was given no report"):
        case.lines([], take="d", supports="lower", direct=True)
    with pytest.raises(InputError, match="publishes no number whose id begins"):
        case.lines([one], take="f.", supports="lower", direct=True)
    with pytest.raises(InputError, match="publishes no number"):
        case.lines([one], take="d.c", supports="lower", direct=True)


def test_no_report_is_left_out_unseen(tmp_path):
    one, two = (published(tmp_path, id, {"d": (-9, -6)}) for id in ("one", "two"))
    claim = weighed(*case.lines([one], take="d", supports="lower", direct=True))
    with pytest.raises(InputError, match="Report 'two' is read and neither weighed nor set aside"):
        case.weigh(claim, reports=[one, two])
    held = case.weigh(claim, reports=[one, two], set_aside={"two": "says nothing of it"})
    assert held.left_out().to_dict("records") == [{"report": "two", "why": "says nothing of it"}]
    for aside, message in (
        ({"two": " "}, "'two' is set aside without a reason"),
        ({"one": "x", "two": "y"}, "'one' is set aside and weighed"),
        ({"tow": "x"}, "'tow' is set aside but was not read. Did you mean 'two'"),
    ):
        with pytest.raises(InputError, match=message):
            case.weigh(claim, reports=[one, two], set_aside=aside)
    with pytest.raises(InputError, match="given no claim"):
        case.weigh(reports=[one])
    with pytest.raises(InputError, match="Two claims are called 'better'"):
        case.weigh(claim, claim, reports=[one])


def test_single_results_are_counted_those_against_by_name(tmp_path):
    rows = pd.DataFrame(
        [
            ("R1", "Ames", "revision", "a v b", "HR", "1.5", 1.1, 2.0, "for", None),
            ("R2", "Boyd <b>", "revision", "a v b", "HR", "0.6", None, None, "against", "small"),
            ("R3", "Cole", "revision", "a v b", "narrative", None, None, None, "neither", None),
            ("R4", "Dunn", "revision", "a v b", "HR", "2", None, None, "not used", None),
            ("R5", "Eves", "death", "a v b", "HR", "2", None, None, "for", None),
        ],
        columns=[
            "result_id", "label", "outcome", "compared", "measure_printed", "estimate_printed",
            "lower_printed", "upper_printed", "reading", "caution",
        ],
    )  # fmt: skip
    report = published(tmp_path, "studies", {"d": (-9, -6)}, rows)
    found = case.single_results([report], outcomes=["revision"])
    assert list(found.frame["label"]) == ["Boyd <b>", "Cole", "Ames"]
    assert list(found.frame["printed"]) == ["HR: 0.6", "narrative", "HR: 1.5 (1.1 to 2.0)"]
    assert [(one.holder, one.where, one.rows, one.total) for one in found.basis] == [
        ("studies", "result_id in ['R1', 'R2', 'R3']", 3, 5)
    ]
    said = weighed(line(-9, -6), printed=found).printed_said
    assert said.text == "Single published results: 1 for, 1 against, 1 neither. Against: Boyd <b>."
    assert "Boyd &lt;b&gt;" in said.html
    assert weighed(line(-9, -6)).printed_said is None
    # a single result that contradicts is not passed over
    both = weighed(line(-9, -6), printed=found).answer
    assert both == "Most of the evidence supports it and none contradicts it (single published results do)"
    with pytest.raises(InputError, match=r"No published result is on 'revisions'\. Did you mean 'revision'"):
        case.single_results([report], outcomes=["revisions"])


def test_the_case_is_shown_inert_and_its_tables_are_those_of_the_index():
    one = weighed(
        line(-12, -6, what=HOSTILE, id="a"),
        line(-2, 30, what=HOSTILE, id="b"),
        name=HOSTILE.replace("1+2", ""),
    )
    held = case.Case(claims=(one,), set_aside={})
    shown = held._repr_mimebundle_()
    assert "<script>" not in shown["text/html"]
    assert "\u202e" not in shown["text/html"]
    kinds = [part["kind"] for part in shown[bundle.MIME]]
    assert kinds[-1] == "case"
    assert "sentence" in kinds
    assert shown[bundle.MIME][-1]["claims"][0]["counts"] == {
        "for": 1,
        "against": 0,
        "cannot_tell": 1,
        "small": 0,
    }
    assert list(held.table().columns) == [
        "claim", "what_the_evidence_says", "certainty", "for", "against", "cannot_tell", "small", "missing",
    ]  # fmt: skip
    assert held.table()["missing"].tolist() == [1]
    assert held.totals["all"].estimate == 2
    assert held.finding.text == "1 of 2 lines of evidence are for a claim and 0 against; 1 cannot tell"
    assert held.margins().to_dict("records")[0]["margin"] == "5"
    assert held.certainty().iloc[-1, 1] == one.certainty == held.best_certainty
    assert held.intervals()["estimate"].tolist() == pytest.approx([9 / 5, -14 / 5])


def test_the_figure_tells_its_claims_in_words_and_cuts_off_what_reaches_too_far():
    lines = pd.DataFrame(
        [
            ("A <b>", HOSTILE, True, "for", 40.0, 2.0, 90.0),
            ("A <b>", "y", False, "cannot tell", 0.0, -9.0, 9.0),
            ("B", "z", True, "against", -2.0, -3.0, -1.0),
            ("B", "w", True, "small", 0.1, -0.2, 0.4),
        ],
        columns=["claim", "label", "direct", "side", "estimate", "lower", "upper"],
    )
    drawn = figures.claim_lines(lines, id="claims", title="T", subtitle="S")
    assert "A <b>: 2 lines of evidence, 1 for, 0 against, 1 cannot tell" in drawn.description
    assert "<b>" not in drawn.svg
    assert drawn.svg != drawn.svg_narrow
    with pytest.raises(InputError, match="a line is on side 'both'; expected one of for, against"):
        figures.claim_lines(lines.assign(side="both"), id="claims", title="T", subtitle="S")
    with pytest.raises(InputError, match="the frame of lines has no column 'side'"):
        figures.claim_lines(lines.drop(columns="side"), id="claims", title="T", subtitle="S")


def test_every_margin_is_above_nothing_and_has_its_reason():
    for unit, margin in evidence_lines.MARGINS.items():
        assert margin.size > (1 if margin.ratio else 0), unit
        assert margin.why
        assert margin.ratio == (unit.split()[-1] == "ratio"), unit
    assert evidence_lines.MARGINS["log odds"].size == pytest.approx(
        math.log(evidence_lines.MARGINS["odds ratio"].size)
    )


def test_the_notebook_gives_no_margin_and_reads_no_synthetic_report():
    text = (Path(__file__).parents[2] / "analyses" / "better_outcome_case.ipynb").read_text(encoding="utf-8")
    assert "margin=" not in text
    assert "revision-survival-hip" not in text
