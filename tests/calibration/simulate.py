"""Data with known truth for `units.binomial`: drawn from its priors or from fixed truths. No sampling."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.reference.binomial import textbook

# Like the real question in small: one class has only three, larger, units.
UNITS = {"specialist": 3, "general": 12, "independent": 9}
PATIENTS = {"specialist": (300, 900), "general": (40, 400), "independent": (10, 150)}
REFERENCE = "general"
FACTORS = {
    "age": {"under 65": 0.3, "65 to 74": 0.45, "75 or over": 0.25},
    "sex": {"female": 0.6, "male": 0.4},
}
LAYOUT_SEED = 11


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Parameters that made a data set; classes, units and terms in the sorted order of `textbook.Data`."""

    common: float
    typical_log_spread: float
    class_level: np.ndarray
    class_spread: np.ndarray
    case_mix: np.ndarray
    level: np.ndarray


def layout(*, case_mix):
    """Frame of trials per unit and case-mix pattern, the same for every replicate; events all 0."""
    rng = np.random.default_rng(LAYOUT_SEED)
    rows = []
    for name, count in UNITS.items():
        for number in range(count):
            patients = int(rng.integers(*PATIENTS[name]))
            if not case_mix:
                rows.append((name, f"{name[:3]}{number:02d}", "all", "all", patients))
                continue
            for age, age_share in FACTORS["age"].items():
                for sex, sex_share in FACTORS["sex"].items():
                    n = int(rng.poisson(patients * age_share * sex_share * rng.gamma(10, 0.1)))
                    rows.append((name, f"{name[:3]}{number:02d}", age, sex, n))
    frame = pd.DataFrame(rows, columns=["class", "unit", "age", "sex", "trials"]).assign(events=0)
    return frame[frame["trials"] > 0].reset_index(drop=True)


def laid_out(frame, *, case_mix):
    columns = {"events": "events", "trials": "trials", "unit": "unit", "group": "class"}
    return textbook.data(frame, **columns, case_mix=list(FACTORS) if case_mix else ["age"])


def from_priors(d, priors, rng):
    """Draw a truth from the priors, hyper-parameters first."""
    common = rng.normal(priors.common_log_odds.mean, priors.common_log_odds.sd)
    typical = rng.normal(priors.common_log_spread.mean, priors.common_log_spread.sd)
    class_level = rng.normal(common, priors.class_log_odds_sd, len(d.classes))
    spread = np.exp(rng.normal(typical, priors.class_log_spread_sd, len(d.classes)))
    case_mix = rng.normal(priors.case_mix_log_odds.mean, priors.case_mix_log_odds.sd, len(d.terms))
    return Truth(
        common=common,
        typical_log_spread=typical,
        class_level=class_level,
        class_spread=spread,
        case_mix=case_mix,
        level=_levels(d, class_level, spread, rng),
    )


def fixed(d, class_level, class_spread, rng):
    """Fix the classes' levels and spreads (dicts by class); only the units are drawn."""
    level = np.array([class_level[name] for name in d.classes])
    spread = np.array([class_spread[name] for name in d.classes])
    return Truth(
        common=float("nan"),
        typical_log_spread=float("nan"),
        class_level=level,
        class_spread=spread,
        case_mix=np.zeros(len(d.terms)),
        level=_levels(d, level, spread, rng),
    )


def _levels(d, class_level, class_spread, rng):
    return rng.normal(class_level[d.class_of_unit], class_spread[d.class_of_unit])


def events(d, truth, rng):
    """Frame of counts made by a truth."""
    linear = (d.design @ truth.case_mix)[d.pattern] if len(d.terms) else 0.0
    seen = rng.binomial(d.trials, textbook.expit(linear + truth.level[d.unit]))
    classes = np.array(d.classes)[d.class_of_unit][d.unit]
    frame = pd.DataFrame(
        {"unit": np.array(d.units)[d.unit], "class": classes, "trials": d.trials, "events": seen}
    )
    return frame.join(d.patterns, on=pd.Series(d.pattern))


def quantities(d, truth):
    """True value of everything that is ranked or covered: name -> dict of label to value."""
    linear = d.design @ truth.case_mix if len(d.terms) else np.zeros(len(d.share))
    at, weight = np.polynomial.hermite_e.hermegauss(41)
    weight = weight / weight.sum()
    unit_risk = np.array([d.share @ textbook.expit(linear + level) for level in truth.level])
    population = truth.class_level[:, None] + truth.class_spread[:, None] * at
    kind = np.array([[d.share @ textbook.expit(linear + x) for x in row] for row in population]) @ weight
    share = d.unit_trials
    these = np.array(
        [np.average(unit_risk[d.class_of_unit == g], weights=share[d.class_of_unit == g]) for g in range(3)]
    )
    base = d.classes.index(REFERENCE)

    def against(risk):
        return {c: 1000 * (risk[g] - risk[base]) for g, c in enumerate(d.classes) if g != base}

    return {
        "difference, these units": against(these),
        "difference, units as a kind": against(kind),
        "risk, these units": dict(zip(d.classes, these, strict=True)),
        "risk, units as a kind": dict(zip(d.classes, kind, strict=True)),
        "spread": dict(zip(d.classes, truth.class_spread, strict=True)),
        "class level": dict(zip(d.classes, truth.class_level, strict=True)),
        "unit risk": dict(zip(d.units, unit_risk, strict=True)),
        "case mix": dict(zip(d.terms, truth.case_mix, strict=True)),
        "common": {"": truth.common},
        "typical log spread": {"": truth.typical_log_spread},
    }
