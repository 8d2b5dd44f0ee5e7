"""Small multiples of a spread: every panel drawn and told, on one scale, from the data."""

import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures


def bins(seen=(1, 6, 3), **more):
    return pd.DataFrame(
        {
            "group": "hip <b>", "label": "wound", "from": [0.0, 100.0, 200.0], "to": [100.0, 200.0, 1000.0],
            "seen": list(seen), "by_chance": [0.2, 9.6, 0.2], **more,
        }
    )  # fmt: skip


def drawn(frame, **more):
    given = {"unit_text": "patients per 1,000", "id": "panels", "title": "T", "subtitle": "S"} | more
    return figures.spread_panels(frame, **given)


def test_it_tells_how_many_lie_where_chance_would_put_few():
    two = pd.concat([bins(), bins(seen=(0, 10, 0), label="readmission", group="knee")], ignore_index=True)
    figure = drawn(two)
    assert figure.description == (
        "2 panels on one scale (patients per 1,000). hip <b>, wound: 4 of 10 hospitals lie outside 100 to "
        "200, where chance alone would put 0. knee, readmission: 0 of 10 hospitals lie outside 100 to 200, "
        "where chance alone would put 0."
    )
    assert list(figure.frame.columns) == ["group", "label", "from", "to", "seen", "by_chance"]
    assert len(figure.frame) == 6
    for svg in (figure.svg, figure.svg_narrow):
        assert "hospitals seen" in svg
        assert "by chance alone" in svg
        assert "<b>" not in svg
    assert figure.svg != figure.svg_narrow


def test_synthetic_data_say_so():
    assert drawn(bins(), synthetic=True).description.startswith("Synthetic data, not real patients.")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (bins().drop(columns="seen"), "has no column 'seen'"),
        (bins().iloc[:0], "no rows|empty|bins"),
        (bins(seen=(0, 0, 0)), "panel 'hip <b>, wound' counts nobody"),
        (
            pd.concat([bins(), bins(label="other").iloc[:2]]),
            "panel 'hip <b>, other' has other bins than the first panel",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(frame, message):
    with pytest.raises(InputError, match=message):
        drawn(frame)
