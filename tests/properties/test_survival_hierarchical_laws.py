"""Laws of the cells and standardised curves behind `survival.hierarchical`: nothing here samples."""

import dataclasses

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from soa_evidence.survival import hierarchical_cells, hierarchical_curves
from soa_evidence.survival.hierarchical_draws import Draws

RELAXED = settings(max_examples=25, deadline=None)
SAME_SUMS = 1e-9  # the same sums in another order
#: Interpolation between Chebyshev points, relative; see `hierarchical_curves`.
INTERPOLATION = 1e-4
BREAKS = np.array([0.0, 0.5, 1.0, 3.0])


def people(seed, size):
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 5, size)
    years = rng.integers(1, 40, size) / 8
    frame = pd.DataFrame(
        {
            "years": years,
            "start": np.where(rng.random(size) < 0.3, years / 2, 0.0),
            "event": rng.integers(0, 3, size),
            "unit": [f"u{j}" for j in unit],
            "kind": np.array(["k", "l"])[unit % 2],
            "age": rng.choice(["old", "young", "unknown"], size),
        }
    )
    # One revision and someone seen throughout, so that every band has time at risk.
    first = {"years": 4.0, "start": 0.0, "event": 0, "unit": "u0", "kind": "k", "age": "old"}
    second = first | {"years": 2.0, "event": 1, "unit": "u1", "kind": "l", "age": "young"}
    return pd.concat([frame, pd.DataFrame([first, second])], ignore_index=True)


FRAMES = st.builds(people, st.integers(0, 2**32 - 1), st.integers(0, 60))


def cells(frame):
    return hierarchical_cells.prepare(
        frame, time="years", event="event", unit="unit", group="kind", case_mix=["age"], breaks=BREAKS,
        grid=BREAKS[1:], entry="start", causes={1: "revision", 2: "death"},
    )  # fmt: skip


def same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a == pytest.approx(b, abs=SAME_SUMS), field.name
        elif isinstance(a, pd.DataFrame):
            assert a.equals(b)
        else:
            assert a == b, field.name


@RELAXED
@given(FRAMES, st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(frame, seed):
    same(cells(frame), cells(frame.sample(frac=1, random_state=seed)))


@RELAXED
@given(FRAMES)
def test_nothing_is_lost_between_rows_and_cells(frame):
    made = cells(frame)
    end = BREAKS[-1]
    spent = frame["years"].clip(upper=end) - frame["start"].clip(upper=end)
    assert made.person_years.sum() == pytest.approx(spent.sum(), abs=SAME_SUMS)
    inside = frame["years"] <= end
    for code, by_band, by_pattern in (
        (1, made.revisions, made.revisions_by_pattern), (2, made.deaths, made.deaths_by_pattern)
    ):  # fmt: skip
        count = int((inside & (frame["event"] == code)).sum())
        assert by_band.sum() == by_pattern.sum() == count
    assert made.beyond == int((~inside & (frame["event"] == 1)).sum())
    assert made.patients.sum() == len(frame)
    assert np.abs(made.share @ made.design).max(initial=0.0) < SAME_SUMS


@RELAXED
@given(FRAMES)
def test_a_row_cut_in_two_by_late_entry_counts_the_same(frame):
    """Time at risk and events do not change when a person's observation is written as two rows."""
    middle = (frame["years"] + frame["start"]) / 2
    first = frame.assign(years=middle, event=0)
    both = pd.concat([first, frame.assign(start=middle)], ignore_index=True)
    one, two = cells(frame), cells(both)
    assert one.person_years == pytest.approx(two.person_years, abs=SAME_SUMS)
    assert (one.revisions == two.revisions).all()
    assert (one.deaths == two.deaths).all()


@RELAXED
@given(FRAMES)
def test_every_row_twice_is_twice_of_everything(frame):
    one, two = cells(frame), cells(pd.concat([frame, frame], ignore_index=True))
    assert 2 * one.person_years == pytest.approx(two.person_years, abs=SAME_SUMS)
    assert (2 * one.revisions == two.revisions).all()
    assert (2 * one.at_risk == two.at_risk).all()
    assert one.design == pytest.approx(two.design, abs=SAME_SUMS)


def draws_for(made, seed, size=3):
    rng = np.random.default_rng(seed)
    J, G, B, K = len(made.units), len(made.groups), len(made.breaks) - 1, len(made.terms)
    return Draws(
        level=rng.normal(-2, 0.5, (size, J)),
        class_level=rng.normal(-2, 0.5, (size, G)),
        class_spread=rng.uniform(0.05, 0.6, (size, G)),
        log_time=rng.normal(0, 0.5, (size, G, B)),
        departure=np.zeros((size, G, 1)),
        case_mix=rng.normal(0, 0.5, (size, K)),
        death_case_mix=rng.normal(0, 0.5, (size, K)),
        log_death=rng.normal(-2, 0.7, (size, G, B)),
        log_prior=np.zeros(size),
        log_likelihood=np.zeros(size),
        chains=1,
    )


@RELAXED
@given(FRAMES, st.integers(0, 2**32 - 1))
def test_curves_are_probabilities_that_agree_with_one_another(frame, seed):
    made = cells(frame)
    draws = draws_for(made, seed)
    found = hierarchical_curves.curves_for(made, draws, draws.class_level)
    for g in range(len(made.groups)):
        level = draws.level[:, made.group_of_unit == g]
        net, crude, dead = (found.at(what, level, g) for what in ("net", "crude", "dead"))
        slack = 1 + INTERPOLATION
        assert (np.diff(net, axis=2) > 0).all()
        assert (crude <= net * slack).all()
        assert (crude + dead <= slack).all()
        # Years lost are at most those there are; a worse level loses more.
        lost = found.at("lost", level, g)[:, :, 0]
        assert ((lost > 0) & (lost < BREAKS[-1])).all()
        worse = np.minimum(level + 0.05, (found.centre + found.reach)[:, [g]])
        assert (found.at("net", worse, g) >= net / slack).all()
        free = found.at("free", level, g)[:, :, 0]
        assert (free <= (BREAKS[-1] - lost) * slack).all()


@RELAXED
@given(FRAMES, st.integers(0, 2**32 - 1))
def test_more_death_leaves_the_net_alone_and_lowers_the_crude(frame, seed):
    made = cells(frame)
    draws = draws_for(made, seed)
    more = dataclasses.replace(draws, log_death=draws.log_death + 0.5)
    one, two = (hierarchical_curves.curves_for(made, d, d.class_level) for d in (draws, more))
    for g in range(len(made.groups)):
        level = draws.level[:, made.group_of_unit == g]
        assert one.at("net", level, g) == pytest.approx(two.at("net", level, g), rel=1e-12)
        assert (two.at("crude", level, g) < one.at("crude", level, g) * (1 + INTERPOLATION)).all()
