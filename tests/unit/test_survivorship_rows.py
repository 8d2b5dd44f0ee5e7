"""Published percentages with limits, and people rebuilt from them: arithmetic by hand and every refusal."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.synthesis import reconstruct, survivorship_rows

Z = stats.norm.ppf(0.975)
EXACT = 1e-10
COLUMNS = {"time": "t", "percent": "p", "lower": "l", "upper": "u"}


def table(*rows):
    return pd.DataFrame(rows, columns=["t", "p", "l", "u"])


def curve(people, failed, time=10.0, interval="log-log"):
    """What a study of `people`, all followed, of whom `failed` fail by `time`, would publish, unrounded."""
    s = 1 - failed / people
    variance = failed / (people * (people - failed))
    low, high = survivorship_rows.limits(np.array([s]), np.array([variance]), interval, 0.95)
    return time, 100 * s, 100 * low[0], 100 * high[0]


def read(frame, **changes):
    return survivorship_rows.read(frame, **{**COLUMNS, **changes})


def rebuilt(frame, **changes):
    return reconstruct.from_table(frame, **{**COLUMNS, "seed": 1, "replicates": 4, **changes})


@pytest.mark.parametrize("interval", ["log-log", "log", "logit", "plain"])
def test_the_variance_behind_limits_is_greenwoods(interval):
    rows = read(
        table(curve(1000, 80, interval=interval)), interval=interval, estimate_unit=1e-6, limit_unit=1e-6
    )
    assert rows.log_variance[0] == pytest.approx(80 / (1000 * 920), rel=EXACT)


@pytest.mark.parametrize("interval", ["log-log", "log", "logit", "plain"])
def test_the_kind_of_interval_is_recognised(interval):
    rows = read(table(curve(300, 60, interval=interval)), estimate_unit=1e-6, limit_unit=1e-6)
    assert rows.interval == interval
    assert rows.off_centre[0] < 1e-9


def test_failure_is_survival_upside_down():
    up = read(table((10, 95.6, 95.3, 95.9)))
    down = read(table((10, 4.4, 4.1, 4.7)), means="failure")
    for name in ("survival", "lower", "upper", "log_variance"):
        assert np.allclose(getattr(up, name), getattr(down, name), rtol=EXACT)


def test_an_estimate_coarser_than_its_limits_moves_towards_their_middle():
    # 86 % printed without decimals beside 85.7 to 86.9: it can be up to 86.5, the middle is 86.3
    rows = read(table((15, 86.0, 85.7, 86.9)), interval="plain", estimate_unit=1.0)
    assert rows.used[0] == pytest.approx(0.863)
    far = read(table((15, 84.0, 85.0, 87.0)), interval="plain", estimate_unit=3.0)
    assert far.used[0] == pytest.approx(0.855)  # no further than its rounding leaves open
    assert read(table((15, 86.0, 85.7, 86.9)), estimate_unit=0.1).used[0] == 0.86


def test_rounding_has_a_variance():
    assert read(table((10, 95.6, 95.3, 95.9))).rounding[0] == pytest.approx(0.001 / np.sqrt(12))
    assert survivorship_rows.unit_of(np.array([95.0, 94.0])) == 1.0
    assert survivorship_rows.unit_of(np.array([95.25, 94.0])) == 0.01


def test_a_thousand_followed_people_come_back():
    result = rebuilt(table(curve(1000, 80)), interval="log-log", estimate_unit=1e-6, limit_unit=1e-6)
    people = result.people()
    assert len(people) == 1000
    assert people["event"].sum() == 80
    assert people.loc[people["event"] == 1, "time"].between(0, 10).all()
    assert result.published["difference"].abs().max() < EXACT
    assert (people["time"] == 10).sum() == 920
    assert all(check.verdict == "pass" for check in result.checks)


def test_events_between_times_have_one_hazard():
    result = rebuilt(table(curve(20_000, 8_000)), interval="log-log", estimate_unit=1e-6, limit_unit=1e-6)
    half = result.survival([5.0])["estimate"].iloc[0]
    assert half == pytest.approx(np.sqrt(0.6), abs=2e-4)


def test_two_times_of_bayliss_come_back_with_their_limits():
    published = table((10, 95.6, 95.3, 95.9), (20, 85.0, 83.2, 86.6))  # hips, Bayliss et al. 2017, as printed
    result = rebuilt(published)
    assert np.abs(result.published["difference"]).max() < 0.0005
    for side in ("lower", "upper"):
        gap = result.published[f"reconstructed_{side}"] - result.published[f"published_{side}"]
        assert np.abs(gap).max() < 0.0005
    assert [check.verdict for check in result.checks] == ["pass"] * 3
    # rounding alone makes the effective number of 10 years uncertain by a tenth or more
    assert result.replicates["people"].std() > 500


def test_limits_that_need_people_back_are_taken_together():
    frame = table((5, 95.0, 90.0, 97.5), (10, 94.0, 93.8, 94.2))
    result = rebuilt(frame)
    verdicts = {check.name: check.verdict for check in result.checks}
    assert verdicts["published limits that need more people later than before"] == "warn"
    assert verdicts["published limits returned, largest difference beyond rounding"] != "pass"
    assert np.abs(result.published["difference"]).max() < 1e-3
    last = result.published.iloc[-1]
    assert last["reconstructed_lower"] == pytest.approx(last["published_lower"], abs=5e-4)


def test_row_order_does_not_matter():
    frame = table((10, 95.6, 95.3, 95.9), (20, 85.0, 83.2, 86.6))
    pd.testing.assert_frame_equal(rebuilt(frame).rows, rebuilt(frame[::-1]).rows)


BAD_TABLES = [
    ([1], {}, r"as a pandas DataFrame; got list"),
    (table(), {}, r"has no rows"),
    (table((10, 95, 94, 96)), {"percent": "q"}, r"no column 'q'"),
    (table((10, 95, 94, 96)), {"means": "fail"}, r"means is 'fail'\. Did you mean 'failure'"),
    (table((10, 95, 94, 96)), {"interval": "loglog"}, r"interval is 'loglog'\. Did you mean 'log-log'"),
    (table((0, 95, 94, 96)), {}, r"Column 't', row 0: 0; expected a time after the operation"),
    (table((10, 95, np.nan, 96)), {}, r"Column 'l', row 0: nan; .*cannot say how sure it is"),
    (table((10, "95", 94, 96)), {}, r"Column 'p' holds object values"),
    (table((10, 105, 94, 96)), {}, r"Column 'p', row 0: 105; expected a percentage from 0 to 100"),
    (table((10, 0.95, 0.94, 0.96)), {}, r"reaches 0\.95 only; expected percentages\. Multiply shares by 100"),
    (table((10, 95, 96, 94)), {}, r"row 0: 96; the lower limit is not below the upper"),
    (table((10, 90, 94, 96)), {}, r"row 0: 90; the limits do not enclose it"),
    (table((10, 100, 99, 100)), {}, r"row 0: 100; where nobody or everybody fails"),
    (
        table((10, 99, 97, 100)),
        {"interval": "log-log"},
        r"Column 'u', row 0: 100; no log-log interval reaches",
    ),
    (table((10, 95, 94, 96)), {"level": 95}, r"Give 95 % as 0\.95"),
    (table((10, 95, 94, 96)), {"limit_unit": 0}, r"limit_unit is 0"),
    (table((10, 95, 94, 96)), {"estimate_unit": -1}, r"estimate_unit is -1"),
    (table((10, 95, 94, 96)).assign(e=0.0), {"estimate_unit": "e"}, r"Column 'e', row 0: 0\.0"),
    (table((10, 95, 94, 96), (10, 94, 93, 95)), {}, r"row 1: 10 is given twice"),
    (table((10, 95, 94, 96), (15, 95, 94, 96)), {}, r"row 1: 95; survival does not fall"),
    (table((10, 95, 94, 96)), {"replicates": 0}, r"replicates is 0"),
    (table((10, 50, 1, 99)), {}, r"those of less than one event"),
    (table((10, 95.0, 94.9999, 95.0001)), {}, r"those of more than 10,000,000 people"),
]


@pytest.mark.parametrize(("frame", "changes", "message"), BAD_TABLES, ids=[m[:30] for *_, m in BAD_TABLES])
def test_bad_tables_are_refused(frame, changes, message):
    with pytest.raises(InputError, match=message):
        rebuilt(frame, **changes)


def test_a_limit_at_100_percent_is_read_as_a_plain_interval():
    assert read(table((10, 98.0, 96.0, 100.0))).interval == "plain"
