import pytest

from soa_evidence import reporting
from soa_evidence.errors import InputError
from soa_evidence.reporting import words
from soa_evidence.reporting.bundle import MIME
from soa_evidence.reporting.sentences import rebuilt


def number(estimate=-4.1, lower=-9.2, upper=1.9, id="difference.specialist", unit="per 1,000"):
    return reporting.number(
        estimate,
        id=id,
        estimand="risk difference",
        unit=unit,
        method="m",
        population="all patients",
        evidence=["nhs-proms-units"],
        lower=lower,
        upper=upper,
    )


P = number(0.912, None, None, id="better", unit="probability")


def test_a_sentence_links_its_numbers_to_the_ledger():
    made = reporting.sentence("about {d:fewer both} per 1,000 patients.", d=number())
    assert made.text == "About 4 fewer (9 fewer to 2 more) per 1,000 patients."
    link = '<a class="number" href="#number-difference.specialist">4 fewer (9 fewer to 2 more)</a>'
    assert made.html == f"About {link} per 1,000 patients."
    payload = made._repr_mimebundle_()[MIME]
    assert payload["numbers"] == ["difference.specialist"]
    assert payload["ledger"][0]["estimate"] == -4.1


def test_a_minus_stands_before_the_pound_and_within_the_link():
    made = reporting.sentence("Price less cost is £{d:both}, {d:unit}.", d=number(unit="£"))
    assert made.text == "Price less cost is −£4 (−9 to 2), −4 £."
    assert '<a class="number" href="#number-difference.specialist">−£4 (−9 to 2)</a>, ' in made.html
    plus = reporting.sentence("£{d:signed} and £{d}", d=number(3.0, 1.0, 5.0))
    assert plus.text == "+£3.0 and £3.0"
    assert reporting.sentence("£{d} left", d=number()).text == "−£4 left"
    assert reporting.sentence("£{one}{two}", one=P, two=number()).text == "£91%−4"
    assert rebuilt(made.parts, {"difference.specialist": number(unit="£")}).text == made.text


def test_a_given_figure_has_a_true_minus():
    assert reporting.given("-2.3 to 1", why="as reported").text == "−2.3 to 1"
    assert reporting.given(-4, why="as reported").text == "−4"
    assert reporting.given("2016-17", why="a year").text == "2016-17"


@pytest.mark.parametrize(
    "template", ["about 4 fewer", "in 2016/17 {d}", "H₂O: x² {d}", "per 1,000 and 7 {d}"]
)
def test_a_figure_typed_by_hand_is_refused(template):
    with pytest.raises(InputError, match=r"holds a figure typed by hand.*given\("):
        reporting.sentence(template, d=number())


def test_a_figure_in_a_text_is_refused_and_a_declared_one_is_recorded():
    with pytest.raises(InputError, match=r"The text given for \{y\} holds a figure typed by hand"):
        reporting.sentence("In {y}.", y="2016/17")
    made = reporting.sentence("In {y}, {n} hospitals.", y=reporting.given("2016/17", why="year"),
                              n=reporting.given(1272, why="count"))  # fmt: skip
    assert made.text == "In 2016/17, 1,272 hospitals."
    year, count = made.payload("text")["given"]
    assert (year["text"], year["why"]) == ("2016/17", "year")
    # it is marked where it stands, says why it may, and leads to its line in the list
    assert (
        f'<a class="given" href="#given-{year["id"]}" title="Declared, no result: year">2016/17</a>'
        in made.html
    )
    assert count["id"] != year["id"]


def test_a_declared_name_without_a_figure_is_not_marked_and_a_reason_is_inert():
    made = reporting.sentence(
        "At {name} in {year}.", name=reporting.given("Ames", why="a name"),
        year=reporting.given("2017", why='"><b>x'),
    )  # fmt: skip
    assert "In Ames" not in made.html
    assert made.html.count('class="given"') == 1
    assert "<b>" not in made.html


def test_a_place_is_a_number_of_the_ledger():
    place = {"estimand": "rank", "unit": "rank", "population": "p", "method": "m", "evidence": ["e"]}
    rank = reporting.number(41, id="rank", **place)
    said = reporting.sentence("It is {r:place}.", r=rank)
    assert said.text == "It is 41st."
    assert 'href="#number-rank"' in said.html
    for value in (0, -1, 1.5):
        with pytest.raises(InputError, match=r"Number 'rank' is .*, which is no place in an order"):
            reporting.sentence("It is {r:place}.", r=reporting.number(value, id="rank", **place))


@pytest.mark.parametrize(
    ("template", "values", "message"),
    [
        ("{}", {"d": "x"}, "not a plain name"),
        ("{d.estimate}", {"d": "x"}, "not a plain name"),
        ("{x}", {"d": "x"}, r"uses \{x\}, which was not given"),
        ("nothing", {"d": "x"}, "'d' was given to a sentence that does not use it"),
        ("{d}", {"d": 4.2}, r"4.2 \(float\). A sentence takes Numbers"),
        ("{d", {"d": "x"}, "cannot be read"),
    ],
)
def test_a_template_that_cannot_be_filled_says_why(template, values, message):
    with pytest.raises(InputError, match=message):
        reporting.sentence(template, **values)


def test_foreign_text_in_a_sentence_is_inert():
    made = reporting.sentence("{who} is one.", who="<script>alert()</script>‮")
    assert made.html == "&lt;script&gt;alert()&lt;/script&gt; is one."


def test_a_headline_keeps_its_sentences_apart():
    first = reporting.sentence("{p:chance} fewer.", p=P)
    shown = reporting.headline(first, reporting.sentence("A caveat."))._repr_mimebundle_()
    assert shown[MIME]["role"] == "headline"
    assert [s["text"] for s in shown[MIME]["sentences"]] == [
        "It is highly likely (91%) that fewer.",
        "A caveat.",
    ]
    assert shown["text/html"].count("<p") == 2
    with pytest.raises(InputError, match=r"headline\(\) was given 'text'"):
        reporting.headline("text")
    with pytest.raises(InputError, match="given no sentence"):
        reporting.headline()


@pytest.mark.parametrize(
    ("p", "word"),
    [
        (0, "remote chance"), (0.05, "remote chance"), (0.051, "highly unlikely"), (0.2, "highly unlikely"),
        (0.201, "unlikely"), (0.35, "unlikely"), (0.351, "realistic possibility"),
        (0.5, "realistic possibility"), (0.549, "realistic possibility"), (0.55, "likely"),
        (0.799, "likely"), (0.8, "highly likely"), (0.949, "highly likely"), (0.95, "almost certain"),
        (1, "almost certain"),
    ],
)  # fmt: skip
def test_the_yardstick_with_its_gaps_closed_towards_even_chances(p, word):
    assert words.probability_word(p) == word


def test_every_published_band_keeps_its_word():
    bands = {"remote chance": (0, 5), "highly unlikely": (10, 20), "unlikely": (25, 35),
             "realistic possibility": (40, 50), "likely": (55, 75), "highly likely": (80, 90),
             "almost certain": (95, 100)}  # fmt: skip
    for word, (low, high) in bands.items():
        assert {words.probability_word(p / 100) for p in range(low, high + 1)} == {word}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_has_no_word(p):
    with pytest.raises(InputError, match="expected a number from 0 to 1"):
        words.probability(p)


def test_a_probability_in_words_always_has_its_figure_and_its_source():
    assert str(words.probability(0.03)) == "a remote chance (3%)"
    assert words.probability(P).clause == "it is highly likely (91%) that"
    assert reporting.sentence("{p}.", p=words.probability(P)).numbers == ("better",)
    with pytest.raises(InputError, match="made from a bare value"):
        reporting.sentence("{p}.", p=words.probability(0.91))


@pytest.mark.parametrize(
    ("lower", "upper", "code"),
    [
        (-12, -6, "better_clearly"), (-12, -1, "better"), (-3, 3, "small"), (-4, -1, "small"),
        (-9, 2, "not_worse"),
        (-9, 9, "unclear"), (-2, 9, "not_better"), (1, 9, "worse"), (5, 9, "worse_clearly"),
        (-5, 4, "not_worse"),
    ],
)  # fmt: skip
def test_what_an_interval_allows_to_be_said(lower, upper, code):
    assert words.difference(lower, upper, margin=5).code == code
    # the same outcome counted the other way round is the same finding
    assert words.difference(-upper, -lower, margin=5, better="higher").code == code


def test_no_evidence_of_difference_is_not_evidence_of_none():
    wide = words.difference(-20, 20, margin=5, subject="specialist hospitals")
    assert wide.phrase == "we cannot tell whether specialist hospitals do better or worse"
    assert words.difference(-1, 1, margin=5).phrase == "any difference is small"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"lower": 2, "upper": 1, "margin": 1}, "limits in order"),
        ({"lower": float("nan"), "upper": 1, "margin": 1}, "finite limits"),
        ({"lower": 0, "upper": 1, "margin": 0}, "above 0"),
        ({"lower": 0, "upper": 1, "margin": 1, "better": "more"}, "'lower' or 'higher'"),
    ],
)
def test_a_difference_needs_limits_and_a_margin(args, message):
    with pytest.raises(InputError, match=message):
        words.difference(**args)


def test_what_follows_a_full_stop_begins_with_a_capital():
    both = reporting.sentence("{one}. {two}; {two}", one="we cannot tell", two="it is likely")
    assert both.text == "We cannot tell. It is likely; it is likely"
    names = reporting.sentence("at {unit}.", unit="eBay's hospital")
    assert names.text == "At eBay's hospital."
