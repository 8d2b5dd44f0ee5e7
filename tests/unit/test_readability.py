"""Reading age: a known value, what raises it, and that the headlines of the edition stay within reach."""

import json
from pathlib import Path

import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting.readability import reading_age, syllables

REPORTS = Path(__file__).resolve().parents[2] / "reports"
#: For a reader who left school at eighteen; the first sentence stands alone on the index.
OLDEST = 18.0


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("hospital", 3), ("revision", 3), ("table", 2), ("reported", 3), ("revised", 2),
     ("2,016", 1), ("the", 1), ("knee", 1), ("specialised", 3)],
)  # fmt: skip
def test_syllables_are_counted(word, count):
    assert syllables(word) == count


def test_the_formula_is_the_published_one():
    # 6 words, 1 sentence, 6 syllables
    assert reading_age("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 * 1 - 15.59 + 5)


def test_longer_sentences_and_longer_words_are_harder():
    short = "Few of them came back. They did well."
    assert reading_age(short) < reading_age(short.replace(". They", " and they"))
    assert reading_age(short) < reading_age("Readmission rates deteriorated. Rehabilitation succeeded.")


def test_a_text_without_words_is_refused():
    with pytest.raises(InputError, match="without a word"):
        reading_age("— …")


def headlines():
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(REPORTS.glob("*/run.json"))]
    return [(run["report"], (run.get("answer") or {}).get("sentence"), run["headline"]) for run in runs]


@pytest.mark.parametrize(("report", "first", "texts"), headlines(), ids=lambda value: str(value)[:40])
def test_headlines_can_be_read(report, first, texts):
    if first:
        assert reading_age(first) <= OLDEST, f"{report}: {reading_age(first):.1f} years: {first}"
    for text in texts:
        assert reading_age(text) <= OLDEST, f"{report}: {reading_age(text):.1f} years: {text}"
