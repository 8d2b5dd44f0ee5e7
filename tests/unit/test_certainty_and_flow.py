"""Certainty by its steps, and flows of records that must add up."""

import math

import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.synthesis import grade, prisma


def steps(**change):
    table = dict.fromkeys(grade.DOMAINS, ("judged", 0, "as read"))
    table |= {name.replace("_", " "): value for name, value in change.items()}
    rows = [(domain, n, how, why) for domain, (how, n, why) in table.items()]
    return pd.DataFrame(rows, columns=["domain", "steps", "how", "reason"])


COMPUTED = ("computed", None, None)


@pytest.mark.parametrize(
    ("start", "taken", "expected"),
    [
        ("trials", 0, "high"),
        ("trials", -1, "moderate"),
        ("observational", 0, "low"),
        ("observational", -2, "very low"),
    ],
)
def test_certainty_starts_by_design_and_goes_down_by_steps(start, taken, expected):
    result = grade.fit(steps(indirectness=("judged", taken, "why")), start=start)
    assert result.level == expected
    assert result.symbol.count("⊕") == grade.LEVELS.index(expected) + 1


def test_it_never_goes_below_very_low():
    down = steps(
        indirectness=("judged", -2, "a"), imprecision=("judged", -2, "b"), inconsistency=("judged", -2, "c")
    )
    assert grade.fit(down, start="observational").level == "very low"
    assert "indirectness −2: a" in grade.fit(down, start="observational").reasons


def test_a_large_effect_raises_what_nothing_lowered():
    up = pd.concat(
        [steps(), pd.DataFrame([("large effect", 1, "judged", "fivefold")], columns=steps().columns)]
    )
    assert grade.fit(up, start="observational").level == "moderate"


BIAS = [
    ({"a": "low", "b": "moderate"}, None, 0),
    ({"a": "serious", "b": "low"}, {"a": 0.4, "b": 0.6}, 0),
    ({"a": "serious", "b": "low"}, {"a": 0.6, "b": 0.4}, -1),
    ({"a": "no information", "b": "low"}, {"a": 0.6, "b": 0.4}, -1),
    ({"a": "no information", "b": "serious", "c": "low"}, {"a": 0.3, "b": 0.3, "c": 0.4}, -1),
    ({"a": "critical", "b": "low"}, {"a": 0.6, "b": 0.4}, -2),
    ({"a": "high"}, None, -1),
]


@pytest.mark.parametrize(("bias", "weights", "expected"), BIAS)
def test_risk_of_bias_by_weight(bias, weights, expected):
    result = grade.fit(steps(risk_of_bias=COMPUTED), start="trials", bias=bias, weights=weights)
    assert result.steps.set_index("domain").loc["risk of bias", "steps"] == expected


def two(first, second):
    return pd.DataFrame([first, second], columns=["lower", "upper"])


@pytest.mark.parametrize(
    ("i2", "studies", "expected"),
    [
        (49.9, two((0.1, 0.2), (-0.2, -0.1)), 0),
        (50.0, two((0.1, 0.2), (0.3, 0.5)), -1),
        (94.0, two((0.1, 0.2), (-0.2, -0.1)), -2),
        (None, two((0.1, 0.2), (0.1, 0.2)).iloc[:1], 0),
    ],
)
def test_inconsistency(i2, studies, expected):
    result = grade.fit(steps(inconsistency=COMPUTED), start="trials", i2_percent=i2, studies=studies)
    assert result.steps.set_index("domain").loc["inconsistency", "steps"] == expected


@pytest.mark.parametrize(
    ("interval", "events", "expected"),
    [
        ((-0.3, 0.3), None, -2),
        ((-0.1, 0.3), None, -1),
        ((0.1, 0.3), None, 0),
        ((0.1, 0.3), 299, -1),
        ((0.1, 0.3), 300, 0),
        ((-0.3, -0.1), 1000, 0),
    ],
)
def test_imprecision(interval, events, expected):
    result = grade.fit(
        steps(imprecision=COMPUTED), start="trials", interval=interval, margin=math.log(1.25), events=events
    )
    assert result.steps.set_index("domain").loc["imprecision", "steps"] == expected


BAD_STEPS = {
    "unknown start": (steps(), {"start": "trial"}, "start is 'trial'. Did you mean 'trials'"),
    "unknown domain": (steps(indirectnes=("judged", 0, "x")), {}, "no domain 'indirectnes'"),
    "domain twice": (pd.concat([steps(), steps().iloc[:1]]), {}, "Domain 'risk of bias' is there twice"),
    "domain missing": (steps().iloc[1:], {}, "Domain 'risk of bias' is missing"),
    "unknown way": (steps(indirectness=("guessed", 0, "x")), {}, "how is 'guessed'"),
    "computed by nobody": (steps(indirectness=COMPUTED), {}, "cannot be computed"),
    "no reason": (steps(indirectness=("judged", -1, "")), {}, "judged without a reason"),
    "too many steps": (steps(indirectness=("judged", -3, "x")), {}, "expected a whole number from -2 to 0"),
    "half a step": (steps(indirectness=("judged", -0.5, "x")), {}, "steps -0.5"),
    "no judgements": (steps(risk_of_bias=COMPUTED), {}, "no judgements were given"),
    "a study without weight": (
        steps(risk_of_bias=COMPUTED),
        {"bias": {"a": "low"}, "weights": {"b": 1.0}},
        "Study 'a' is judged but has no",
    ),
    "no studies": (steps(inconsistency=COMPUTED), {}, "no studies were given"),
    "no I2": (
        steps(inconsistency=COMPUTED),
        {"studies": two((0, 1), (0, 1))},
        "computed from I², which is None",
    ),
    "no interval": (steps(imprecision=COMPUTED), {}, "interval= or margin= was not given"),
    "limits turned round": (
        steps(imprecision=COMPUTED),
        {"interval": (1, 0), "margin": 0.1},
        "limits in order",
    ),
    "up and down": (
        pd.concat(
            [
                steps(indirectness=("judged", -1, "x")),
                pd.DataFrame([("large effect", 1, "judged", "x")], columns=steps().columns),
            ]
        ),
        {},
        "stand beside steps down",
    ),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_bad_steps_are_refused(case):
    table, given, says = BAD_STEPS[case]
    with pytest.raises(InputError, match=says):
        grade.fit(table, **{"start": "observational", **given})


# ---- flows -------------------------------------------------------------------------------------------------
FLOW = pd.DataFrame(
    [
        ("identified", None, None, 10),
        ("examined", None, "identified", 10),
        ("left out", "examined", None, 6),
        ("kept", "examined", None, 4),
        ("too old", "left out", None, 2),
        ("too new", "left out", None, 4),
    ],
    columns=["box", "part_of", "same_as", "figures"],
)


def with_count(box, number):
    frame = FLOW.copy()
    frame["figures"] = frame["figures"].astype(object)
    frame.loc[frame["box"] == box, "figures"] = number
    return frame


def test_a_flow_that_adds_up():
    flow = prisma.fit(FLOW, counted={"too old": 2, "left out": 6})
    assert flow.count("kept") == 4
    assert list(flow.parts("left out")["box"]) == ["too new", "too old"]
    assert flow.checks[0].verdict == "pass"
    assert "counted in the log" in flow.checks[0].observed


@pytest.mark.parametrize("box", ["left out", "kept", "too old", "too new", "examined", "identified"])
def test_one_record_lost_anywhere_is_found(box):
    number = int(FLOW.set_index("box").loc[box, "figures"]) - 1
    with pytest.raises(InputError, match=r"add up to|must be the same"):
        prisma.fit(with_count(box, number))


def test_the_box_that_does_not_add_up_is_named():
    with pytest.raises(
        InputError, match=r"Box 'left out' holds 6, but its parts add up to 5 \(1 too old \+ 4 too new\)"
    ):
        prisma.fit(with_count("too old", 1))


BAD_FLOW = {
    "no boxes": (FLOW.iloc[:0], {}, "frame of boxes is empty"),
    "a missing column": (FLOW.drop(columns="figures"), {}, "no column 'figures'"),
    "a box twice": (pd.concat([FLOW, FLOW.iloc[-1:]]), {}, "Box 'too new' is there twice"),
    "part of nothing known": (
        FLOW.replace({"part_of": {"left out": "left outt"}}),
        {},
        "unknown box 'left outt'",
    ),
    "part of itself": (
        FLOW.assign(part_of=FLOW["part_of"].where(FLOW["box"] != "kept", "kept")),
        {},
        "names itself",
    ),
    "half a record": (with_count("kept", 3.5), {}, "whole number of at least 0"),
    "less than none": (with_count("kept", -1), {}, "whole number of at least 0"),
    "words for a number": (with_count("kept", "four"), {}, "whole number of at least 0"),
    "not what the log counts": (FLOW, {"counted": {"kept": 5}}, "declares 4, but the log counts 5"),
    "not a box of the log": (FLOW, {"counted": {"kep": 4}}, "which is no box. Did you mean 'kept'"),
}


@pytest.mark.parametrize("case", BAD_FLOW)
def test_bad_flows_are_refused(case):
    frame, given, says = BAD_FLOW[case]
    with pytest.raises(InputError, match=says):
        prisma.fit(frame, **given)


def test_use_divides_a_box_and_refuses_strangers():
    more = prisma.with_use(FLOW, of="kept", used=["a", "b"], records=["a", "b", "c", "d"])
    flow = prisma.fit(more)
    assert (flow.count("in a pooled result"), flow.count("shown by itself")) == (2, 2)
    with pytest.raises(InputError, match="Record 'z' was pooled, but it is not one of the 2"):
        prisma.with_use(FLOW, of="kept", used=["z"], records=["a", "b"])


def test_an_unknown_box_is_named():
    with pytest.raises(InputError, match=r"no box 'keept'\. Did you mean 'kept'"):
        prisma.fit(FLOW).count("keept")


def test_a_log_is_counted_and_every_record_must_have_gone_somewhere():
    log = pd.DataFrame({"stage": ["kept", "left", "left"], "reason": [None, "old", "old"]})
    assert prisma.count(log) == {"left": 2, "kept": 1, "old": 2}
    with pytest.raises(InputError, match="Column 'stage', row 0: missing"):
        prisma.count(log.assign(stage=[None, "left", "left"]))
