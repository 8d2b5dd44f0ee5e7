"""Registries with known truth for `survival.hierarchical`: drawn from its priors or from fixed truths."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from soa_evidence.priors import Normal, hierarchical

UNITS = {"general": 8, "independent": 6, "specialist": 3}  # in the sorted order of the classes
PATIENTS = {"general": (60, 400), "independent": (20, 150), "specialist": (250, 700)}
REFERENCE = "general"
AGES = {"65 to 74": 0.45, "75 or over": 0.25, "under 65": 0.3}
TERMS = ("75 or over", "under 65")  # against the commonest, in the order of the fit
BREAKS = np.array([0.0, 0.5, 1.0, 3.0, 5.0])
PERIOD = np.array([0, 0, 1, 1])
PERIODS = (1.0,)
HORIZONS = (1.0, 5.0)
LAYOUT_SEED = 12
#: Levels as of a registry, so that data sets without any revision, or with nobody left, are very rare. The
#: rest is the default set, which is what is calibrated.
PRIORS = replace(
    hierarchical("default"),
    name="calibration",
    common_level=Normal(mean=float(np.log(0.03)), sd=0.5, because="a registry's revisions a year"),
    death_level=Normal(mean=float(np.log(0.04)), sd=0.5, because="a registry's deaths a year"),
)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Parameters that made a data set; log hazards a year."""

    common: float
    typical: float
    log_smoothing: float
    log_period: float
    class_level: np.ndarray
    class_spread: np.ndarray
    level: np.ndarray
    log_time: np.ndarray  # (3, 4): shape and departure
    case_mix: np.ndarray
    log_death: np.ndarray  # (3, 4)
    death_case_mix: np.ndarray


def layout():
    """Units, classes, ages and ends of follow-up of all patients: the same for every replicate."""
    rng = np.random.default_rng(LAYOUT_SEED)
    rows = []
    for kind, count in UNITS.items():
        for number in range(count):
            n = int(rng.integers(*PATIENTS[kind]))
            ages = rng.choice(list(AGES), n, p=list(AGES.values()))
            rows += [
                (kind, f"{kind[:3]}{number:02d}", age, end)
                for age, end in zip(ages, rng.uniform(1, 6, n), strict=True)
            ]
    return pd.DataFrame(rows, columns=["kind", "unit", "age", "end"])


def of_unit(frame):
    """Names of the units and the place of each one's class."""
    first = frame.drop_duplicates("unit").sort_values("unit")
    return list(first["unit"]), np.array([list(UNITS).index(kind) for kind in first["kind"]])


def design(frame):
    """Indicators of ages against the commonest, centred on all: patterns (3), share (3), x (3, 2)."""
    share = frame["age"].value_counts(normalize=True)
    patterns = sorted(AGES)
    share = np.array([share[age] for age in patterns])
    x = np.array([[float(age == term) for term in TERMS] for age in patterns])
    return patterns, share, x - share @ x


def _shape(log_smoothing, rng):
    middle = (BREAKS[1:] + BREAKS[:-1]) / 2
    walk = np.concatenate(
        [[0], np.cumsum(rng.normal(0, np.exp(log_smoothing) * np.sqrt(np.diff(np.log(middle)))))]
    )
    width = np.diff(BREAKS)
    return walk - walk @ width / width.sum()


def from_priors(frame, rng):
    """Draw a truth from the priors, hyper-parameters first."""
    p = PRIORS
    draw = lambda prior, size=None: rng.normal(prior.mean, prior.sd, size)  # noqa: E731
    common, typical = draw(p.common_level), draw(p.typical_log_spread)
    class_level = common + draw(p.class_level, 3)
    spread = np.exp(typical + draw(p.class_log_spread, 3))
    log_smoothing, log_period, death_smoothing = (
        draw(p.log_smoothing),
        draw(p.log_period_spread),
        draw(p.log_smoothing),
    )
    departure = rng.normal(0, np.exp(log_period), (3, 2))
    death_class = draw(p.death_level) + draw(p.death_class, 3)
    _, own = of_unit(frame)
    return Truth(
        common=common, typical=typical, log_smoothing=log_smoothing, log_period=log_period,
        class_level=class_level, class_spread=spread, level=rng.normal(class_level[own], spread[own]),
        log_time=_shape(log_smoothing, rng) + departure[:, PERIOD],
        case_mix=draw(p.case_mix, 2), death_case_mix=draw(p.death_case_mix, 2),
        log_death=death_class[:, None] + _shape(death_smoothing, rng),
    )  # fmt: skip


def fixed(frame, class_level, rng):
    """Fix the classes' levels (general, independent, specialist); only the units are drawn."""
    _, own = of_unit(frame)
    level = np.array(class_level)
    return Truth(
        common=np.nan, typical=np.nan, log_smoothing=np.nan, log_period=np.nan, class_level=level,
        class_spread=np.full(3, 0.2), level=rng.normal(level[own], 0.2),
        log_time=np.tile([1.0, 0.4, -0.1, -0.15], (3, 1)), case_mix=np.array([-0.2, 0.3]),
        death_case_mix=np.array([0.9, -0.8]), log_death=np.tile(np.log(0.04), (3, 4)),
    )  # fmt: skip


def observed(frame, truth, rng):
    """Follow-up and events of the layout's patients under a truth."""
    names, own = of_unit(frame)
    patterns, _, x = design(frame)
    unit = frame["unit"].map(names.index).to_numpy()
    age = frame["age"].map(patterns.index).to_numpy()
    revision = truth.level[unit, None] + truth.log_time[own[unit]] + (x @ truth.case_mix)[age, None]
    death = truth.log_death[own[unit]] + (x @ truth.death_case_mix)[age, None]
    times = [_times(np.exp(log), rng) for log in (revision, death)]
    years = np.minimum(np.minimum(*times), frame["end"])
    event = np.where(years == frame["end"], 0, np.where(years == times[0], 1, 2))
    return frame.assign(years=years, event=event)


def _times(hazard, rng):
    """Times of first event under hazards (n, 4) constant in bands, the last going on for ever."""
    passed = np.concatenate([np.zeros((len(hazard), 1)), np.cumsum(hazard * np.diff(BREAKS), axis=1)], axis=1)
    target = rng.exponential(size=len(hazard))
    band = np.minimum((passed[:, 1:] <= target[:, None]).sum(axis=1), 3)
    row = np.arange(len(hazard))
    return BREAKS[band] + (target - passed[row, band]) / hazard[row, band]


def quantities(frame, truth):
    """True value of everything that is ranked or covered: name -> dict of label to value."""
    names, own = of_unit(frame)
    _, share, x = design(frame)
    kinds, death_kinds = np.exp(x @ truth.case_mix), np.exp(x @ truth.death_case_mix)
    size = frame["unit"].value_counts().loc[names].to_numpy()
    at, weight = np.polynomial.hermite_e.hermegauss(41)

    def curve(level, g, years):
        return share @ np.array([
            _standard(level + truth.log_time[g], truth.log_death[g], r, r2, years)
            for r, r2 in zip(kinds, death_kinds, strict=True)
        ])  # fmt: skip

    out = {}
    classes = list(UNITS)
    for years in HORIZONS:
        by_unit = np.array([curve(u, g, years) for u, g in zip(truth.level, own, strict=True)])
        these = np.array([np.average(by_unit[own == g], axis=0, weights=size[own == g]) for g in range(3)])
        population = truth.class_level[:, None] + truth.class_spread[:, None] * at
        kind = np.array(
            [
                np.average([curve(u, g, years) for u in population[g]], axis=0, weights=weight)
                for g in range(3)
            ]
        )
        if years == HORIZONS[-1]:
            out["unit risk"] = dict(zip(names, by_unit[:, 0], strict=True))
        for name, risk in (("these units", these), ("units as a kind", kind)):
            base = classes.index(REFERENCE)
            out[f"difference at {years:g}, {name}"] = {
                c: 1000 * (risk[g, 0] - risk[base, 0]) for g, c in enumerate(classes) if g != base
            }
            out[f"net risk at {years:g}, {name}"] = dict(zip(classes, risk[:, 0], strict=True))
            out[f"crude incidence at {years:g}, {name}"] = dict(zip(classes, risk[:, 1], strict=True))
            if years == HORIZONS[-1]:
                out[f"months, {name}"] = dict(zip(classes, 12 * (years - risk[:, 2]), strict=True))
    out["spread"] = dict(zip(classes, truth.class_spread, strict=True))
    out["class level"] = dict(zip(classes, truth.class_level, strict=True))
    out["case mix"] = dict(zip(TERMS, truth.case_mix, strict=True))
    out["case mix, death"] = dict(zip(TERMS, truth.death_case_mix, strict=True))
    out["common"] = {"": truth.common}
    out["typical log spread"] = {"": truth.typical}
    out["log smoothing"] = {"": truth.log_smoothing}
    out["log period spread"] = {"": truth.log_period}
    return out


def _standard(log_hazard, log_death, ratio, death_ratio, years):
    """Net risk, crude incidence and years lost (net) by `years` for one kind of patient, band by band."""
    cumulative, alive, crude, free = 0.0, 1.0, 0.0, 0.0
    for b in range(len(BREAKS) - 1):
        width = min(BREAKS[b + 1], years) - BREAKS[b]
        if width <= 0:
            break
        h, d = ratio * np.exp(log_hazard[b]), death_ratio * np.exp(log_death[b])
        free += np.exp(-cumulative) * (1 - np.exp(-h * width)) / h
        gone = alive * (1 - np.exp(-(h + d) * width))
        crude += gone * h / (h + d)
        alive -= gone
        cumulative += h * width
    return np.array([1 - np.exp(-cumulative), crude, years - free])
