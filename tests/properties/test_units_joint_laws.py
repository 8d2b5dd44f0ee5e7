"""Laws of `units.variation` and `units.joint`: order of rows, how counts came and names do not matter."""

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soa_evidence.sampling import Settings
from soa_evidence.units import joint, variation

QUICK = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = Settings(draws=30, tune=20, chains=2)
COLUMNS = {"unit": "unit", "group": "group", "case_mix": ["age"], "seed": 5, "settings": FEW}
WOUND = joint.Events(label="wound", events="wound", trials="asked")
AGAIN = joint.Events(label="readmission", events="readmission", trials="asked")


def counts(seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame([(f"u{j:02d}", f"g{j % 2}", age) for j in range(8) for age in ("old", "young")])
    frame.columns = ["unit", "group", "age"]
    frame["asked"] = rng.integers(20, 90, len(frame))
    # every cell has events, so that no draw is all nought
    return frame.assign(
        wound=1 + rng.binomial(frame["asked"] - 2, 0.15),
        readmission=1 + rng.binomial(frame["asked"] - 2, 0.1),
    )


def gathered(frame, rng):
    """The same patients in two parts, in another order."""
    numbers = ["asked", "wound", "readmission"]
    some = frame.assign(**{name: frame[name] // 2 for name in numbers})
    rest = frame.assign(**{name: frame[name] - frame[name] // 2 for name in numbers})
    return pd.concat([some, rest]).iloc[rng.permutation(2 * len(frame))].reset_index(drop=True)


def renamed(frame):
    return frame.assign(unit="hospital " + frame["unit"], group="class " + frame["group"])


@QUICK
@given(st.integers(0, 10**6))
def test_a_spread_does_not_know_order_gathering_or_names(seed):
    frame = counts(seed)
    wanted = variation.fit(frame, outcome=WOUND, years=1, **COLUMNS)
    for other in (gathered(frame, np.random.default_rng(seed)), renamed(frame)):
        found = variation.fit(other, outcome=WOUND, years=1, **COLUMNS)
        np.testing.assert_allclose(found.shares.draws, wanted.shares.draws, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.worst_fifth.draws, wanted.worst_fifth.draws, rtol=1e-9, atol=1e-9)


@QUICK
@given(st.integers(0, 10**6), st.floats(1.5, 10.0))
def test_what_is_gained_a_year_is_gained_over_the_years(seed, years):
    frame = counts(seed)
    whole = variation.fit(frame, outcome=WOUND, years=1, **COLUMNS)
    yearly = variation.fit(frame, outcome=WOUND, years=years, **COLUMNS)
    np.testing.assert_allclose(yearly.worst_fifth.draws * years, whole.worst_fifth.draws)
    np.testing.assert_array_equal(yearly.shares.draws, whole.shares.draws)


@QUICK
@given(st.integers(0, 10**6))
def test_outcomes_together_do_not_know_order_or_gathering(seed):
    frame = counts(seed)
    asked = {"outcomes": [WOUND, AGAIN], "focus": "g0", "reference": "g1", **COLUMNS}
    wanted = joint.fit(frame, **asked)
    found = joint.fit(gathered(frame, np.random.default_rng(seed)), **asked)
    np.testing.assert_allclose(found.draws.level, wanted.draws.level, rtol=1e-9)
    at_least = wanted.these_units.at_least.table()["estimate"].to_numpy()
    assert (np.diff(at_least) <= 1e-12).all()  # on more outcomes is never likelier
    assert (np.linalg.eigvalsh(wanted.draws.covariance) > 0).all()
