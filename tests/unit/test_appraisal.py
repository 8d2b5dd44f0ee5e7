"""Risk of bias: judgements follow from answers, by the tools' rules; hostile answers are refused."""

import itertools

import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.synthesis import appraisal, rob2, robins_i

ALL = ("Y", "PY", "PN", "N", "NI")


def answers(tool, study="ames", **given):
    rows = [
        {"study_id": study, "tool": tool.id, "question": q.id,
             "answer": given.get(f"q{q.id.replace('.', '_')}", "NI"),
         "reason": "as read"}
        for domain in tool.domains
        for q in domain.questions
    ]  # fmt: skip
    return pd.DataFrame(rows)


def judge(tool, domain, **given):
    frame = appraisal.fit(answers(tool, **given)).domains.set_index("domain")
    return frame.loc[domain, "judgement"]


def test_nothing_read_is_no_information_everywhere():
    result = appraisal.fit(answers(robins_i.TOOL))
    assert set(result.domains["judgement"]) == {"no information"}
    assert result.of("ames") == "no information"
    assert result.overall["answered"].iloc[0] == 0
    assert result.checks[0].verdict == "warn"


CONFOUNDING = {
    "not confounded": ({"q1_1": "PN"}, "low"),
    "controlled and measured": ({"q1_1": "Y", "q1_4": "Y", "q1_5": "PY", "q1_6": "N"}, "moderate"),
    "not controlled": ({"q1_1": "Y", "q1_4": "PN"}, "serious"),
    "measured badly": ({"q1_1": "Y", "q1_4": "Y", "q1_5": "N"}, "serious"),
    "controlled for what followed": ({"q1_1": "Y", "q1_4": "Y", "q1_5": "Y", "q1_6": "PY"}, "serious"),
    "measurement unknown": ({"q1_1": "Y", "q1_4": "Y", "q1_6": "N"}, "no information"),
    "varying, controlled": ({"q1_1": "Y", "q1_2": "Y", "q1_3": "Y", "q1_7": "Y", "q1_8": "Y"}, "moderate"),
    "varying, not controlled": ({"q1_1": "Y", "q1_2": "Y", "q1_3": "Y", "q1_7": "N", "q1_4": "Y"}, "serious"),
    "beyond control": ({"q1_1": "PN", "q1_X": "Y"}, "critical"),
}


@pytest.mark.parametrize("case", CONFOUNDING)
def test_confounding(case):
    given, expected = CONFOUNDING[case]
    assert judge(robins_i.TOOL, "1", **given) == expected


OTHER = {
    "all together from the start": ("2", {"q2_1": "N", "q2_4": "Y"}, "low"),
    "chosen later, corrected": ("2", {"q2_1": "Y", "q2_2": "Y", "q2_3": "Y", "q2_5": "Y"}, "moderate"),
    "chosen later, not corrected": ("2", {"q2_1": "Y", "q2_2": "Y", "q2_3": "PY", "q2_5": "N"}, "serious"),
    "chosen later, unknown": ("2", {"q2_1": "Y", "q2_2": "Y", "q2_3": "Y"}, "no information"),
    "late start, not corrected": ("2", {"q2_1": "N", "q2_4": "N", "q2_5": "PN"}, "serious"),
    "chosen by something harmless": ("2", {"q2_1": "Y", "q2_2": "N", "q2_4": "Y"}, "low"),
    "groups by record": ("3", {"q3_1": "Y", "q3_2": "PY", "q3_3": "PN"}, "low"),
    "groups in retrospect": ("3", {"q3_1": "Y", "q3_2": "N", "q3_3": "N"}, "moderate"),
    "groups swayed": ("3", {"q3_1": "Y", "q3_3": "Y"}, "serious"),
    "groups unclear": ("3", {"q3_1": "PN"}, "serious"),
    "usual practice": ("4", {"q4_1": "N"}, "low"),
    "slight deviations": ("4", {"q4_1": "Y", "q4_2": "PN"}, "moderate"),
    "harmless deviations": ("4", {"q4_1": "Y", "q4_2": "N"}, "low"),
    "unequal deviations": ("4", {"q4_1": "Y", "q4_2": "PY"}, "serious"),
    "complete": ("5", {"q5_1": "Y", "q5_2": "N", "q5_3": "PN"}, "low"),
    "alike": ("5", {"q5_1": "N", "q5_4": "Y"}, "low"),
    "robust": ("5", {"q5_2": "Y", "q5_4": "N", "q5_5": "PY"}, "low"),
    "slightly different": ("5", {"q5_3": "Y", "q5_4": "PN", "q5_5": "N"}, "moderate"),
    "different": ("5", {"q5_1": "N", "q5_4": "N", "q5_5": "N"}, "serious"),
    "alike by record": ("6", {"q6_1": "N", "q6_3": "Y", "q6_4": "N"}, "low"),
    "blind": ("6", {"q6_1": "Y", "q6_2": "N", "q6_3": "Y", "q6_4": "N"}, "low"),
    "slightly swayed": ("6", {"q6_1": "PY", "q6_2": "Y", "q6_3": "Y", "q6_4": "N"}, "moderate"),
    "swayed": ("6", {"q6_1": "Y", "q6_2": "PY"}, "serious"),
    "measured differently": ("6", {"q6_3": "N"}, "serious"),
    "errors tied to the group": ("6", {"q6_4": "Y"}, "serious"),
    "registered": ("7", {"q7_1": "N", "q7_2": "N", "q7_3": "N"}, "low"),
    "no sign of picking": ("7", {"q7_1": "N", "q7_2": "PN", "q7_3": "N"}, "moderate"),
    "picked": ("7", {"q7_1": "N", "q7_2": "PY"}, "serious"),
    "critical": ("7", {"q7_X": "Y"}, "critical"),
}


@pytest.mark.parametrize("case", OTHER)
def test_other_domains(case):
    domain, given, expected = OTHER[case]
    assert judge(robins_i.TOOL, domain, **given) == expected


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (["low"] * 7, "low"),
        (["moderate", *["low"] * 6], "moderate"),
        (["no information", "moderate", *["low"] * 5], "no information"),
        (["no information", "serious", *["low"] * 5], "serious"),
        (["critical", "serious", "no information", *["low"] * 4], "critical"),
    ],
)
def test_overall_of_robins_i(levels, expected):
    assert robins_i.TOOL.overall({str(i): level for i, level in enumerate(levels)}) == expected


# ---- RoB 2, written a second way: ordered rows of the guidance's tables; '*' is any answer -----------------
YES, NO, YES_NI, NO_NI = {"Y", "PY"}, {"N", "PN"}, {"Y", "PY", "NI"}, {"N", "PN", "NI"}
ANY = set(ALL)
ROWS = {
    "1": (
        ("1.1", "1.2", "1.3"),
        [
            (ANY, NO, ANY, "high"),
            (ANY, {"NI"}, YES, "high"),
            (ANY, {"NI"}, NO_NI, "some concerns"),
            (NO, YES, ANY, "some concerns"),
            (YES_NI, YES, YES, "some concerns"),
            (YES_NI, YES, NO_NI, "low"),
        ],
    ),
    "3": (
        ("3.1", "3.2", "3.3", "3.4"),
        [
            (YES, ANY, ANY, ANY, "low"),
            (NO_NI, YES, ANY, ANY, "low"),
            (NO_NI, NO_NI, NO, ANY, "low"),
            (NO_NI, NO_NI, YES_NI, NO, "some concerns"),
            (NO_NI, NO_NI, YES_NI, YES_NI, "high"),
        ],
    ),
    "4": (
        ("4.1", "4.2", "4.3", "4.4", "4.5"),
        [
            (YES, ANY, ANY, ANY, ANY, "high"),
            (NO_NI, YES, ANY, ANY, ANY, "high"),
            (NO_NI, NO, NO, ANY, ANY, "low"),
            (NO_NI, NO, YES_NI, NO, ANY, "low"),
            (NO_NI, NO, YES_NI, YES_NI, NO, "some concerns"),
            (NO_NI, NO, YES_NI, YES_NI, YES_NI, "high"),
            (NO_NI, {"NI"}, NO, ANY, ANY, "some concerns"),
            (NO_NI, {"NI"}, YES_NI, NO, ANY, "some concerns"),
            (NO_NI, {"NI"}, YES_NI, YES_NI, NO, "some concerns"),
            (NO_NI, {"NI"}, YES_NI, YES_NI, YES_NI, "high"),
        ],
    ),
    "5": (
        ("5.1", "5.2", "5.3"),
        [
            (ANY, YES, ANY, "high"),
            (ANY, ANY, YES, "high"),
            (YES, NO, NO, "low"),
            (NO_NI, NO, NO, "some concerns"),
            (ANY, {"NI"}, NO_NI, "some concerns"),
            (ANY, NO, {"NI"}, "some concerns"),
        ],
    ),
}


@pytest.mark.parametrize("domain", ROWS)
def test_rob2_agrees_with_its_tables_for_every_combination_of_answers(domain):
    questions, rows = ROWS[domain]
    rule = next(d for d in rob2.TOOL.domains if d.id == domain).judge
    for combination in itertools.product(ALL, repeat=len(questions)):
        expected = next(
            row[-1] for row in rows if all(a in allowed for a, allowed in zip(combination, row, strict=False))
        )
        assert rule(dict(zip(questions, combination, strict=True)))[0] == expected, combination


def test_rob2_deviations_for_every_combination_of_answers():
    rule = next(d for d in rob2.TOOL.domains if d.id == "2").judge
    questions = ("2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7")
    rank = ("low", "some concerns", "high")
    for c in itertools.product(("Y", "PN", "NI"), repeat=7):
        a = dict(zip(questions, c, strict=True))
        if (a["2.1"] in NO and a["2.2"] in NO) or a["2.3"] in NO:
            first = 0
        elif a["2.3"] == "NI" or a["2.4"] in NO:
            first = 1
        else:
            first = 1 if a["2.5"] in YES else 2
        second = 0 if a["2.6"] in YES else 1 if a["2.7"] in NO else 2
        assert rule(a)[0] == rank[max(first, second)]


def test_rob2_overall_is_its_worst_domain():
    given = {
        "q1_1": "Y",
        "q1_2": "Y",
        "q2_1": "N",
        "q2_2": "N",
        "q2_6": "Y",
        "q3_1": "Y",
        "q4_2": "N",
        "q4_3": "N",
        "q5_1": "Y",
        "q5_2": "N",
        "q5_3": "N",
    }
    assert appraisal.fit(answers(rob2.TOOL, **given)).of("ames") == "low"
    assert appraisal.fit(answers(rob2.TOOL, **{**given, "q4_1": "Y"})).of("ames") == "high"
    assert appraisal.fit(answers(rob2.TOOL, **{**given, "q5_1": "NI"})).of("ames") == "some concerns"


def test_the_reasons_given_stand_beside_the_judgement():
    frame = answers(robins_i.TOOL, q1_1="Y", q1_4="N")
    frame.loc[frame["question"] == "1.4", "reason"] = "two periods compared"
    row = appraisal.fit(frame).domains.set_index("domain").loc["1"]
    assert row["decided_by"] == "1.1 yes, 1.4 no"
    assert "two periods compared" in row["because"]


def test_two_tools_may_stand_side_by_side():
    both = pd.concat([answers(robins_i.TOOL), answers(rob2.TOOL, study="boyd")])
    assert list(appraisal.fit(both).overall["tool"]) == ["ROBINS-I", "RoB 2"]


def spoilt(**change):
    frame = answers(robins_i.TOOL)
    for column, value in change.items():
        frame.loc[3, column] = value
    return frame


BAD = {
    "no rows": (answers(robins_i.TOOL).iloc[:0], "frame of answers is empty"),
    "a missing column": (answers(robins_i.TOOL).drop(columns="answer"), "no column 'answer'"),
    "an unknown tool": (
        answers(robins_i.TOOL).assign(tool="ROBIN-I"),
        "no tool 'ROBIN-I'. Did you mean 'ROBINS-I'",
    ),
    "two tools": (spoilt(tool="RoB 2"), "has answers of ROBINS-I and RoB 2"),
    "an unknown question": (spoilt(question="1.9"), "question 1.9: ROBINS-I asks no such question"),
    "an unknown answer": (spoilt(answer="yes"), "question 1.4: the answer is 'yes'"),
    "a question twice": (spoilt(question="1.3"), "question 1.3 is answered twice"),
    "a question without an answer": (answers(robins_i.TOOL).drop(index=3), "question 1.4 has no answer"),
    "an answer without a reason": (spoilt(reason=" "), "question 1.4 is answered NI without a reason"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_answers_are_refused(case):
    frame, says = BAD[case]
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        appraisal.fit(frame)


def test_an_unknown_study_is_named():
    with pytest.raises(InputError, match=r"No risk of bias was judged for 'ame'\. Did you mean 'ames'"):
        appraisal.fit(answers(robins_i.TOOL)).of("ame")
