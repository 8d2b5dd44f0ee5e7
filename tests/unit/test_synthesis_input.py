"""Every kind of bad input is refused, and the message says what, where, and what to do."""

import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.priors import Spread, synthesis
from soa_evidence.synthesis import (
    bayes,
    effect_sizes,
    estimator_choice,
    influence,
    mantel_haenszel,
    many,
    pairwise,
    peto,
)

GOOD = pd.DataFrame(
    {
        "label": ["Ames", "Boyd", "Cole"],
        "estimate": [0.1, -0.2, 0.4],
        "std_error": [0.2, 0.1, 0.3],
        "registry": ["A", "A", "B"],
        "year": [2001, 1999, 2010],
    }
)
COUNTS = pd.DataFrame(
    {"label": ["Ames", "Boyd"], "events_1": [3, 4], "n_1": [30, 40], "events_2": [5, 2], "n_2": [31, 41]}
)
MEANS = pd.DataFrame(
    {
        "label": ["Ames"],
        "mean_1": [3.0],
        "sd_1": [1.0],
        "n_1": [9],
        "mean_2": [2.0],
        "sd_2": [1.0],
        "n_2": [8],
    }
)
RATES = pd.DataFrame({"label": ["Ames"], "events_1": [3], "time_1": [30.0], "events_2": [5], "time_2": [9.0]})
PRINTED = pd.DataFrame({"label": ["Ames"], "effect": [0.8], "lower": [0.5], "upper": [1.28]})


def having(frame, column, value, row=0):
    values = list(frame[column])
    values[row] = value
    return frame.assign(**{column: values})


POOLED = {
    "a misspelt column": ({"estimate": "estimat"}, GOOD, r"no column 'estimat'\. Did you mean 'estimate'\?"),
    "one column for two": ({"estimate": "std_error"}, GOOD, "'std_error' is named for two purposes"),
    "no rows": ({}, GOOD.iloc[:0], "frame of studies is empty"),
    "a missing estimate": (
        {},
        having(GOOD, "estimate", np.nan, 1),
        r"row 1 \(Boyd\): nan; expected a finite",
    ),
    "an infinite estimate": ({}, having(GOOD, "estimate", np.inf), r"row 0 \(Ames\): inf; expected a finite"),
    "two missing": ({}, GOOD.assign(std_error=np.nan), r"\(3 such rows\)"),
    "text for numbers": ({}, having(GOOD, "estimate", "0.1 (ns)"), "holds object values; expected numbers"),
    "true or false": ({}, GOOD.assign(estimate=True), "holds bool values"),
    "no standard error": (
        {},
        having(GOOD, "std_error", 0.0, 2),
        r"row 2 \(Cole\): 0; a standard error is above",
    ),
    "a negative standard error": ({}, having(GOOD, "std_error", -0.1), "Is it a variance, a log or a limit"),
    "a study twice": ({}, having(GOOD, "label", "Boyd"), "'Boyd' more than once.*not independent"),
    "a study without name": ({}, having(GOOD, "label", None, 1), "'label', row 1: missing"),
    "an unknown estimator": ({"method": "RELM"}, GOOD, r"method is 'RELM'\. Did you mean 'REML'\?"),
    "an unknown interval": ({"interval": "hartung"}, GOOD, "interval is 'hartung'.*hartung_knapp_floor"),
    "an unknown prediction": ({"prediction": "t"}, GOOD, "prediction is 't'.*t_k_minus_2"),
    "unknown tau2 limits": ({"tau2_intervals": "qprofile"}, GOOD, "Did you mean 'q_profile'"),
    "a level in percent": ({"level": 95}, GOOD, "level is 95.*Give 95 % as 0.95"),
    "one study": ({}, GOOD.iloc[:1], r"one study \(Ames\).*method='common'"),
    "weights for REML": ({"weights": "year"}, GOOD, "method is 'REML' and weights is 'year'"),
    "GENQ without weights": ({"method": "GENQ"}, GOOD, "'GENQ' needs weights"),
    "a weight of nothing": (
        {"method": "GENQ", "weights": "year"},
        having(GOOD, "year", 0, 1),
        r"row 1 \(Boyd\): 0; expected a weight above 0",
    ),
    "profile likelihood of a moment": (
        {"method": "DL", "tau2_intervals": "profile_likelihood"},
        GOOD,
        "needs method 'ML' or 'REML', not 'DL'",
    ),
}


@pytest.mark.parametrize("kind", list(POOLED))
def test_pairwise_refuses(kind):
    options, frame, message = POOLED[kind]
    with pytest.raises(InputError, match=message):
        pairwise.fit(frame, **options)


EFFECTS = {
    "an unknown measure": ({"measure": "ORR"}, COUNTS, r"measure is 'ORR'\. Did you mean"),
    "an unknown part": (
        {"measure": "OR", "event_1": "x"},
        COUNTS,
        r"no part 'event_1'\. Did you mean 'events_1'",
    ),
    "a missing part": ({"measure": "SMD"}, COUNTS, "no column 'mean_1'"),
    "more events than patients": (
        {"measure": "OR"},
        having(COUNTS, "events_1", 31),
        r"'Ames': 31 events \(events_1\) out of 30 \(n_1\).*exchanged",
    ),
    "half an event": ({"measure": "OR"}, having(COUNTS, "events_1", 1.5), "a count must be a whole number"),
    "fewer than no events": (
        {"measure": "RR"},
        having(COUNTS, "events_2", -1),
        "a count cannot be negative",
    ),
    "nobody in an arm": ({"measure": "RR"}, having(COUNTS, "n_2", 0), "an arm without patients"),
    "no time at risk": ({"measure": "IRR"}, having(RATES, "time_1", 0.0), "time at risk is above 0"),
    "no spread in an arm": (
        {"measure": "MD"},
        having(MEANS, "sd_1", 0.0),
        "a standard deviation is above 0",
    ),
    "a missing count": ({"measure": "OR"}, having(COUNTS, "n_1", np.nan), "expected a finite number"),
    "a label twice": ({"measure": "OR"}, COUNTS.assign(label="Ames"), "'Ames' more than once"),
    "a label missing": ({"measure": "OR"}, having(COUNTS, "label", None), "row 0: missing label"),
    "an unknown zero rule": ({"measure": "OR", "zero_cells": "half"}, COUNTS, "zero_cells is 'half'"),
    "nothing added": ({"measure": "OR", "add": 0.0}, COUNTS, "add is 0; what is added.*above 0"),
    "zeros left alone": (
        {"measure": "OR", "zero_cells": "none"},
        having(COUNTS, "events_1", 0),
        "'Ames': a zero cell leaves no log odds ratio",
    ),
    "no study speaks": (
        {"measure": "OR"},
        COUNTS.assign(events_1=0, events_2=0),
        "No study is left for measure",
    ),
    "a ratio below nothing": ({"measure": "RATIO"}, having(PRINTED, "effect", -0.2), "a ratio is above 0"),
    "limits exchanged": (
        {"measure": "RATIO"},
        PRINTED.assign(lower=1.28, upper=0.5),
        "lower limit 1.28 is not below upper limit 0.5",
    ),
    "limits elsewhere": ({"measure": "RATIO"}, PRINTED.assign(lower=0.9), "do not enclose the effect 0.8"),
    "p of nothing": (
        {"measure": "RATIO"},
        PRINTED.drop(columns=["lower", "upper"]).assign(p_value=0.0),
        "p-value 0; expected above 0 and below 1",
    ),
    "no precision": (
        {"measure": "RATIO"},
        PRINTED.drop(columns=["lower", "upper"]),
        "'Ames': nothing says how precise",
    ),
    "a percentage for a level": ({"measure": "RATIO"}, PRINTED.assign(level=95.0), "not a percentage"),
    "a variance of nothing": (
        {"measure": "RATIO"},
        pd.DataFrame({"label": ["Ames"], "o_minus_e": [1.0], "variance": [0.0]}),
        "variance of O - E is 0",
    ),
}


@pytest.mark.parametrize("kind", list(EFFECTS))
def test_effect_sizes_refuse(kind):
    options, frame, message = EFFECTS[kind]
    with pytest.raises(InputError, match=message):
        effect_sizes.fit(frame, **options)


OTHERS = {
    "an unknown prior": (lambda: synthesis("defualt"), "Did you mean 'default'"),
    "a spread of nothing": (
        lambda: Spread(family="uniform", scale=0.0, because=""),
        "scale above 0, not 0.0",
    ),
    "an unknown family": (
        lambda: Spread(family="halfnormal", scale=1, because=""),
        "Did you mean 'half-normal'",
    ),
    "a quality above 1": (
        lambda: bayes.fit(GOOD.assign(q=[1, 2, 1]), quality="q"),
        r"row 1 \(Boyd\): 2; expected a quality above 0 and at most 1",
    ),
    "a study named pooled": (lambda: bayes.fit(having(GOOD, "label", "pooled")), "named 'pooled'"),
    "a probability of nobody": (lambda: bayes.fit(GOOD).probability("Bod", above=0), "Did you mean 'Boyd'"),
    "both above and below": (
        lambda: bayes.fit(GOOD).probability("pooled", above=0, below=1),
        "exactly one of above= or below=",
    ),
    "no priors to compare": (lambda: bayes.compare_priors(GOOD, priors=[]), "was given no priors"),
    "two studies to leave out": (
        lambda: influence.fit(GOOD.iloc[:2]),
        "There are 2 studies; leaving one out",
    ),
    "one registry only": (
        lambda: influence.fit(GOOD.assign(registry="A"), group="registry"),
        r"one group \(A\)",
    ),
    "an order with a gap": (
        lambda: influence.fit(having(GOOD, "year", None), order="year"),
        "'year', row 0: missing",
    ),
    "GENQ for many": (lambda: many.fit(GOOD, analysis="registry", method="GENQ"), "method is 'GENQ'"),
    "an analysis without name": (
        lambda: many.fit(having(GOOD, "registry", None), analysis="registry"),
        "'registry', row 0: missing",
    ),
    "a level of 1": (lambda: estimator_choice.fit(GOOD, level=1), "level is 1; expected"),
    "no events in one arm": (
        lambda: mantel_haenszel.fit(COUNTS.assign(events_1=0)),
        "leave no log odds ratio",
    ),
    "no events anywhere": (lambda: peto.fit(COUNTS.assign(events_1=0, events_2=0)), "None of the 2 studies"),
    "an unknown pooled measure": (lambda: mantel_haenszel.fit(COUNTS, measure="SMD"), "measure is 'SMD'"),
}


@pytest.mark.parametrize("kind", list(OTHERS))
def test_the_others_refuse(kind):
    call, message = OTHERS[kind]
    with pytest.raises(InputError, match=message):
        call()
