"""The register that is shipped: flags kept out of pools, flows that add up, numbers that can be traced."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence import evidence, reporting
from soa_evidence.errors import EvidenceError, InputError
from soa_evidence.evidence import published
from soa_evidence.synthesis import (
    appraisal,
    evidence_profile,
    evidence_review,
    evidence_sets,
    evidence_tables,
    prisma,
)

ROOT = Path(__file__).resolve().parents[2]
RAW = ROOT.parent / "shared" / "evidence"
PACKAGES = ("published-studies", "published-results", "published-search", "published-appraisal")


@pytest.fixture(scope="module")
def packages():
    return {name: evidence.load(name, ROOT / "evidence") for name in PACKAGES}


@pytest.fixture(scope="module")
def register(packages):
    return evidence_profile.join(packages["published-results"].table(), packages["published-studies"].table())


@pytest.fixture(scope="module")
def tables(packages):
    return {
        name: packages["published-appraisal"].table(name) for name in ("questions", "answers", "certainty")
    }


def reviewed(register, tables, only=None):
    """The whole review, or only one question of it, which is quicker."""
    questions = tables["questions"]
    questions = questions if only is None else questions[questions["question_id"] == only]
    return evidence_review.fit(
        register, questions=questions, bias_answers=tables["answers"], certainty=tables["certainty"]
    )


@pytest.fixture(scope="module")
def review(register, tables):
    return reviewed(register, tables)


# ---- what is flagged stays out -----------------------------------------------------------------------------
#: Figures that contradict themselves in their source.
FLAGGED = {"T2-03", "T2-04", "T2-46", "T2-59"}
OWNERSHIP = {f"T1-{n}" for n in (18, 19, 20, *range(22, 30))}


def test_every_contradiction_is_flagged_with_how(register):
    flagged = register[register["inconsistent"]]
    assert set(flagged["result_id"]) == FLAGGED
    assert flagged["inconsistency"].str.len().min() > 40
    assert not flagged["poolable"].any()


def test_no_flagged_owned_or_reviewed_figure_is_in_any_set(register, review):
    kept_out = (
        FLAGGED
        | OWNERSHIP
        | set(register.loc[~register["primary_study"] | ~register["poolable"], "result_id"])
    )
    for body in review.bodies.values():
        for used in (body.evidence, body.side_by_side):
            assert not kept_out & set(used.included["result_id"])
    assert not kept_out & set(review.used)


def test_ownership_is_marked_and_has_no_direction(register):
    owned = register[register["topic"] == "ownership"]
    assert set(owned["result_id"]) == OWNERSHIP
    assert (owned["direction"] == "not coded").all()
    assert owned["effect"].isna().all()
    assert owned["not_poolable_because"].str.contains("not specialism").all()


def test_flagging_a_figure_takes_it_out_of_its_pool(register, tables):
    spoilt = register.copy()
    at = spoilt["result_id"] == "T2-15"
    spoilt.loc[at, ["inconsistent", "inconsistency"]] = [True, "made up for the test"]
    review = reviewed(spoilt, tables, "hospital-volume-knee-revision")
    body = review.bodies["hospital-volume-knee-revision"]
    assert "T2-15" not in set(body.evidence.included["result_id"])
    assert "made up for the test" in body.evidence.excluded.set_index("result_id").loc["T2-15", "reason"]


def test_effects_have_one_direction(register):
    coded = register[register["effect"].notna()].set_index("result_id")
    printed = coded["estimate_printed"].astype(float)
    assert set(coded["direction"]) == {published.results.DIRECTION}
    # printed for the less concentrated arm: as it is; for the more concentrated: turned round
    assert coded.loc["T2-24", "effect"] == 1.6 == printed["T2-24"]
    assert coded.loc["T2-29", "effect"] == pytest.approx(1 / 0.73)
    assert coded.loc["T2-29", "effect_lower"] == pytest.approx(1 / 1.00)
    assert coded.loc["T2-29", "effect_upper"] == pytest.approx(1 / 0.54)
    assert coded.loc["T2-05", "effect"] == pytest.approx(1 / (1 - 0.433))
    assert coded.loc["T1-37", "effect"] == pytest.approx(0.17)
    ordered = coded[coded["effect_lower"].notna()]
    assert (ordered["effect_lower"] <= ordered["effect"]).all()
    assert (ordered["effect"] <= ordered["effect_upper"]).all()


def test_evidence_against_is_read_as_against(register):
    readings = evidence_sets.readings(register).set_index("result_id")["reading"]
    assert set(readings[["T2-14", "T2-15", "T2-39", "T2-41", "T1-21", "T4-21"]]) == {"against"}
    assert set(readings[["T2-13", "T2-57", "T2-19"]]) == {"neither"}
    assert set(readings[sorted(FLAGGED)]) == {"not used"}


def test_counts_worked_back_say_so(register):
    rows = register.set_index("result_id")
    assert rows.loc["T1-31", ["events_less", "n_less", "events_more", "n_more"]].tolist() == [8, 127, 3, 111]
    assert rows.loc["T2-02", ["events_less", "events_more"]].tolist() == [101, 67]
    assert "worked back" in rows.loc["T1-31", "counts_from"]
    assert rows.loc["T1-30", "counts_from"] == "printed"


def test_the_level_of_katz_2004(register):
    levels = register.set_index("result_id")["level"]
    assert set(levels[["T2-16", "T2-17"]]) == {0.99}
    assert set(levels.drop(["T2-16", "T2-17"]).dropna()) == {0.95}


def test_there_is_no_direct_comparison_from_the_united_kingdom(register):
    direct = register[(register["contrast"] == "specialist v general") & register["united_kingdom"]]
    assert direct.empty


# ---- flow --------------------------------------------------------------------------------------------------
def test_the_flow_adds_up_to_the_log(packages, review):
    search = packages["published-search"]
    log, may = search.table("log"), "in the register, may be pooled"
    boxes = prisma.with_use(
        search.table("flow"), of=may, used=review.used, records=log.loc[log["stage"] == may, "figure_id"]
    )
    flow = prisma.fit(boxes, counted=prisma.count(log))
    assert flow.count("identified") == len(log) == 200
    assert flow.count("database records") == 0
    assert flow.count("in the register") == len(packages["published-results"].table())
    assert flow.count("in a pooled result") == len(review.used) == 13
    steps = evidence_tables.flow_steps(flow)
    assert list(steps.loc[steps["role"] == "out", "count"]) == [92, 60, 35]


def test_a_record_lost_from_the_log_stops_the_report(packages):
    search = packages["published-search"]
    log = search.table("log")
    box = "test material of the methods"
    counted = {box: prisma.count(log[log["figure_id"] != "T5-H01"])[box]}
    with pytest.raises(InputError, match=f"Box '{box}' declares 24, but the log counts 23"):
        prisma.fit(search.table("flow"), counted=counted)


def test_every_disagreement_between_figures_is_told(packages):
    remarks = packages["published-search"].table("log").set_index("figure_id")["remark"]
    for figure, word in {"T4-23": "1,372", "T3-01": "source bias", "T3-12": "numerator", "T5-H08": "0.40",
                         "T5-H09": "turns round", "T5-H10": "0.57", "T2-46": "misprint", "T2-59": "48 %",
                         "T2-04": "1.18", "T2-20": "1.12"}.items():  # fmt: skip
        assert word in remarks[figure]


# ---- where a number comes from -----------------------------------------------------------------------------
def test_every_row_leads_to_a_paper(packages, register):
    papers = evidence_tables.cited(register, packages["published-studies"].table())
    assert papers["citation"].str.len().min() > 20
    told = {row for rows in papers["rows"] for row in rows.split(", ")}
    assert told == set(register["result_id"])
    shown = reporting.citations(papers, id="papers", title="Papers").bundle()["text/html"]
    assert 'href="https://doi.org/10.1136/bmj.c165"' in shown
    assert "covidnewscast" not in shown


def test_a_pooled_number_names_its_rows(packages, review):
    ledger = reporting.findings.numbers(
        review.about("volume"), population="patients", evidence=list(packages.values())
    )
    number = ledger["effect.volume-mortality.pooled"]
    assert "rows T2-20, T2-48, T2-49" in number.population
    assert number.checks


def test_the_figure_carries_row_and_citation(packages, review):
    studies = packages["published-studies"].table()
    bodies = review.about("volume")
    ledger = reporting.findings.numbers(bodies, population="patients", evidence=list(packages.values()))
    figure = reporting.findings.forest(
        bodies["volume-mortality"], ledger, name="volume-mortality", margin=1.25, studies=studies
    )
    rows = figure.frame.set_index("label")
    assert rows.loc["SooHoo 2006", "result_id"] == "T2-20"
    assert "J Arthroplasty" in rows.loc["SooHoo 2006", "citation"]
    assert "new study, by z" in rows.index
    assert "new study, t (k − 2)" in rows.index


# ---- a changed judgement changes everything that hangs on it -----------------------------------------------
def told(review, packages, topic, name, margin):
    bodies = review.about(topic)
    ledger = reporting.findings.numbers(bodies, population="patients", evidence=list(packages.values()))
    return reporting.findings.claim(bodies[name], ledger, name=name, margin=margin).text


def answered(tables, study, **answers):
    frame = tables["answers"].copy()
    for question, answer in answers.items():
        number = question.replace("q", "").replace("_", ".")
        frame.loc[(frame["study_id"] == study) & (frame["question"] == number), "answer"] = answer
    return {**tables, "answers": frame}


SOUND = {
    "q1_4": "Y",
    "q1_5": "Y",
    "q1_6": "N",
    "q2_1": "N",
    "q2_4": "Y",
    "q3_1": "Y",
    "q3_2": "Y",
    "q3_3": "N",
    "q4_1": "N",
    "q5_1": "Y",
    "q5_2": "N",
    "q5_3": "N",
    "q6_1": "N",
    "q6_3": "Y",
    "q6_4": "N",
    "q7_1": "N",
    "q7_2": "N",
    "q7_3": "N",
}


def test_sound_answers_raise_judgement_certainty_sentence_table_and_figure(
    packages, register, tables, review
):
    name, changed = "volume-mortality", tables
    for study in ("soohoo-2006", "ajrr-2022"):
        changed = answered(changed, study, **SOUND)
    better = reviewed(register, changed, name)
    before, after = review.bodies[name], better.bodies[name]
    assert (before.bias["ajrr-2022"], after.bias["ajrr-2022"]) == ("no information", "moderate")
    assert before.certainty.level == "very low"
    assert before.certainty.steps.set_index("domain").loc["risk of bias", "steps"] == -1
    assert after.certainty.steps.set_index("domain").loc["risk of bias", "steps"] == 0
    # indirectness takes one step still; without it the level would rise too
    direct = changed["certainty"].copy()
    direct.loc[(direct["question_id"] == name) & (direct["domain"] == "indirectness"), "steps"] = 0
    best = reviewed(register, {**changed, "certainty": direct}, name)
    assert best.bodies[name].certainty.level == "low"
    assert "certainty is very low" in told(review, packages, "volume", name, 1.25)
    assert "certainty is low" in told(best, packages, "volume", name, 1.25)
    html = reporting.findings.summary(best.about("volume"), id="s", title="S").bundle()["text/html"]
    assert "⊕⊕◯◯ low" in html
    assert (
        "⊕⊕◯◯"
        not in reporting.findings.summary(review.about("volume"), id="s", title="S").bundle()["text/html"]
    )

    def drawn(one):
        overall = one.bias.overall[one.bias.overall["study"] == "ajrr-2022"]
        domains = one.bias.domains[one.bias.domains["study"] == "ajrr-2022"]
        return reporting.figures.risk_of_bias(domains, overall, id="bias", title="T", subtitle="S")

    assert "Overall: 1 no information" in drawn(review).description
    assert "Overall: 1 moderate" in drawn(better).description
    assert drawn(review).svg != drawn(better).svg


def test_serious_answers_lower_what_was_only_unread(register, tables, review):
    name = "ring-fencing-infection"
    assert review.bodies[name].bias["biant-2004"] == "serious"
    cleared = answered(answered(tables, "biant-2004", **SOUND), "green-2019", **SOUND)
    body = reviewed(register, cleared, name).bodies[name]
    assert set(body.bias.values()) == {"moderate"}
    assert body.certainty.steps.set_index("domain").loc["risk of bias", "steps"] == 0


def test_a_changed_result_changes_the_sentence(packages, register, tables, review):
    changed = register.copy()
    at = changed["result_id"] == "T1-30"
    changed.loc[at, ["events_less", "events_more"]] = [15.0, 43.0]
    before = told(review, packages, "ring-fencing", "ring-fencing-infection", 1.25)
    after = told(
        reviewed(changed, tables, "ring-fencing-infection"),
        packages,
        "ring-fencing",
        "ring-fencing-infection",
        1.25,
    )
    assert "do better" in before
    assert before != after


# ---- reviews: bad input ------------------------------------------------------------------------------------
BAD_REVIEWS = {
    "a margin that is none": (
        {"ratio_that_matters": 1.0},
        "ratio_that_matters is 1.0; expected a ratio above 1",
    ),
    "a negative margin": ({"difference_that_matters": -1.0}, "difference_that_matters is -1.0"),
    "unknown priors": ({"priors": "defalt"}, "no set of priors 'defalt'"),
}


@pytest.mark.parametrize("case", BAD_REVIEWS)
def test_bad_reviews_are_refused(case, register, tables):
    change, says = BAD_REVIEWS[case]
    with pytest.raises(InputError, match=says):
        evidence_review.fit(
            register, questions=tables["questions"].head(2), bias_answers=tables["answers"],
            certainty=tables["certainty"], **change,
        )  # fmt: skip


def test_a_question_without_steps_is_refused(register, tables):
    certainty = tables["certainty"][tables["certainty"]["question_id"] != "hub-stay"]
    with pytest.raises(InputError, match="Question 'hub-stay' has no steps of certainty"):
        reviewed(register, {**tables, "certainty": certainty}, "hub-stay")


def test_a_study_without_answers_is_refused(register, tables):
    answers = tables["answers"][tables["answers"]["study_id"] != "badawy-2013"]
    with pytest.raises(InputError, match="rests on study 'badawy-2013', of which no risk of bias was judged"):
        reviewed(register, {**tables, "answers": answers}, "hospital-volume-knee-revision")


def test_an_unknown_topic_is_named(review):
    with pytest.raises(InputError, match=r"No question is about 'volum'\. Did you mean 'volume'"):
        review.about("volum")


# ---- one study ---------------------------------------------------------------------------------------------
def profile(study, packages, tables):
    return evidence_profile.fit(
        study, studies=packages["published-studies"].table(), results=packages["published-results"].table(),
        questions=tables["questions"], bias_answers=tables["answers"],
    )  # fmt: skip


def test_a_study_whole(packages, tables):
    found = profile("ajrr-2022", packages, tables)
    assert len(found.results) == 7
    assert found.pooled == ("T2-44", "T2-48", "T2-49")
    assert found.checks[0].verdict == "warn"
    assert "T2-46" in found.checks[0].observed
    assert len(found.bias) == 7
    numbers = reporting.study_words.numbers(found, evidence=list(packages.values()))
    assert len(numbers) == 6  # the flagged one is not a number to be quoted
    assert "effect.t2-46" not in numbers
    assert "better where care is more concentrated" in reporting.study_words.claim(found, numbers).text


@pytest.mark.parametrize(
    "study", ["leider-2021", "girft-2016", "bloch-2023", "padegimas-shoulder", "katz-2008"]
)
def test_studies_of_every_kind_can_be_shown(study, packages, tables):
    found = profile(study, packages, tables)
    numbers = reporting.study_words.numbers(found, evidence=list(packages.values()))
    assert reporting.study_words.claim(found, numbers).text
    assert reporting.study_words.picture(found).bundle()["text/html"]


def test_an_unknown_study_is_named(packages, tables):
    with pytest.raises(
        InputError, match=r"no study 'hagen-2011' in the register\. Did you mean 'hagen-2010'"
    ):
        profile("hagen-2011", packages, tables)


# ---- the packages are what the coding tables give ----------------------------------------------------------
def test_the_appraisal_is_that_of_the_coding_tables(packages):
    coded = pd.read_csv(ROOT / "evidence" / "_published" / "bias_answers.csv", dtype=str)
    ours = packages["published-appraisal"].table("answers")
    key = ["study_id", "question"]
    both = coded.sort_values(key).reset_index(drop=True)[[*key, "answer", "reason"]]
    assert both.equals(
        ours.sort_values(key).reset_index(drop=True)[[*key, "answer", "reason"]].astype(object)
    )


def test_every_signalling_question_of_every_assessed_study_is_answered(tables):
    assert len(appraisal.fit(tables["answers"]).overall) == tables["answers"]["study_id"].nunique() == 35


@pytest.mark.skipif(not RAW.is_dir(), reason="the list of figures is not on this machine")
def test_rebuilding_gives_the_committed_bytes(tmp_path):
    published.build(RAW, tmp_path, coding=ROOT / "evidence" / "_published")
    for name in PACKAGES:
        for file in sorted((tmp_path / name).rglob("*.*")):
            committed = ROOT / "evidence" / name / file.relative_to(tmp_path / name)
            assert file.read_bytes() == committed.read_bytes(), file.name


# ---- building: hostile lists and codings -------------------------------------------------------------------
FIGURE = dict.fromkeys(published.figures.COLUMNS, "") | {
    "id": "T1-01",
    "topic": "1",
    "study": "Ames",
    "year": "2001",
    "country": "UK",
    "population": "hips",
    "exposure": "few",
    "comparator": "many",
    "outcome": "revision",
    "effect_measure": "OR",
    "estimate": "1.5",
    "ci_low": "1.2",
    "ci_high": "1.9",
    "citation": "Ames A. Hips. J Hip 2001;1:1",
    "doi_or_url": "10.1000/hip",
    "read_at": "https://pubmed.ncbi.nlm.nih.gov/1/",
    "verified": "yes",
}
CODED = {
    "studies": {
        "study_id": "ames",
        "label": "Ames 2001",
        "source_study": "Ames",
        "design": "cohort",
        "primary": "yes",
        "data_source": "A register",
        "registry": "a",
        "operations": "hip",
        "population": "hips",
        "contrast": "hospital volume",
    },
    "results": {
        "result_id": "T1-01",
        "topic": "volume",
        "contrast": "hospital volume",
        "outcome": "revision",
        "joint": "hip",
        "kind": "ratio_interval",
        "exposed_is": "less",
        "measure": "OR",
        "main_contrast": "yes",
    },
    "left_out": {"figures": "topic 3", "reason": "other", "remark": ""},
    "remarks": {"figure_id": "T1-01", "remark": "looks right"},
    "questions": {
        "question_id": "q",
        "topic": "volume",
        "question": "Q?",
        "outcome": "revision",
        "outcome_words": "r",
        "joints": "hip",
        "contrasts": "hospital volume",
        "measure": "RATIO",
        "pool": "yes",
        "start": "observational",
        "less_words": "few",
        "more_words": "many",
        "unit": "ratio",
    },
    "bias_answers": {
        "study_id": "ames",
        "tool": "ROBINS-I",
        "domain": "1",
        "question": "1.1",
        "answer": "Y",
        "reason": "x",
    },
    "certainty": {"question_id": "q", "domain": "imprecision", "how": "computed"},
}


def build(tmp_path, *, figure=None, drop=None, **coded):
    rows = [FIGURE] if figure is None else [FIGURE | change for change in figure]
    listed = pd.DataFrame(rows)
    listed.drop(columns=drop or []).to_csv(tmp_path / "published_figures.csv", index=False)
    folder = tmp_path / "coding"
    folder.mkdir(exist_ok=True)
    for name, columns in published.codings.TABLES.items():
        row = dict.fromkeys(columns, "") | CODED[name] | coded.get(name, {})
        pd.DataFrame([row]).to_csv(folder / f"{name}.csv", index=False)
    return published.build(tmp_path, tmp_path / "out", coding=folder)


def test_a_list_of_one_figure_builds(tmp_path):
    (tmp_path / "out").mkdir()
    summary = build(tmp_path)
    assert summary.figures == 1
    assert "published-results: results 1 rows" in str(summary)
    row = evidence.load("published-results", tmp_path / "out").table().iloc[0]
    assert row["effect"] == 1.5
    assert row["level"] == 0.95


BAD_LISTS = {
    "a missing column": ({"drop": ["citation"]}, "no column 'citation'"),
    "an id twice": ({"figure": [{}, {}]}, "T1-01: this id is there already"),
    "an unknown topic": ({"figure": [{"topic": "9"}]}, "its topic is not one of"),
    "no citation": ({"figure": [{"citation": " "}]}, "it cites nothing"),
    "not verified": ({"figure": [{"verified": "no"}]}, "it was not verified"),
    "a number that is none": (
        {"figure": [{"ci_low": "about 1"}]},
        "T1-01, lower limit: 'about 1' is not a number",
    ),
    "an empty estimate": ({"figure": [{"estimate": ""}]}, "its coded kind needs estimate"),
    "an unknown study": ({"figure": [{"study": "Amess"}]}, "no study called 'Amess'. Did you mean 'Ames'"),
    "a figure nobody coded": ({"figure": [{}, {"id": "T1-02"}]}, "T1-02 .topic 1. is neither coded"),
    "a coded figure that is not there": ({"results": {"result_id": "T1-03"}}, "'T1-03' is unknown"),
    "a remark on nothing": ({"remarks": {"figure_id": "T9-99"}}, "remarks.csv, column 'figure_id': 'T9-99'"),
    "answers of a stranger": ({"bias_answers": {"study_id": "boyd"}}, "'boyd' is unknown"),
    "steps of no question": (
        {"certainty": {"question_id": "z"}},
        "certainty.csv, 'question_id': 'z' is unknown",
    ),
    "a baseline from nowhere": ({"questions": {"baseline_result": "T1-09"}}, "'T1-09' is unknown"),
    "no precision and no reason": (
        {"results": {"kind": "ratio_only"}},
        "has no standard error; say in not_poolable",
    ),
    "no direction and no reason": ({"results": {"exposed_is": "neither"}}, "gives the effect no direction"),
    "words without a reading": ({"results": {"kind": "words", "not_poolable": "words"}}, "say in reading"),
    "an unknown answer": ({"bias_answers": {"answer": "maybe"}}, "'answer': 'maybe' is not one of"),
    "an unknown kind": (
        {"results": {"kind": "rumour", "not_poolable": "x", "reading": "for"}},
        "'rumour' is not one of",
    ),
    "an unknown design": ({"studies": {"design": "survey"}}, "'survey' is not one of"),
    "percentages that are none": (
        {
            "figure": [{"estimate": "many"}],
            "results": {"kind": "means", "not_poolable": "x", "reading": "for"},
        },
        "'many' is not two numbers",
    ),
    "no standard deviations": (
        {
            "figure": [{"estimate": "1 vs 2", "n_exposed": "5", "n_comparator": "5"}],
            "results": {"kind": "means_sd"},
        },
        "does not say 'SD",
    ),
    "a limit below nought turned round": (
        {"figure": [{"n_exposed": "many"}], "results": {"kind": "counts"}},
        "is not a number|needs",
    ),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_bad_lists_and_codings_are_refused(case, tmp_path):
    change, says = BAD_LISTS[case]
    (tmp_path / "out").mkdir()
    with pytest.raises(EvidenceError, match=says):
        build(tmp_path, **change)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(EvidenceError, match="There is no file"):
        published.build(tmp_path / "nowhere.csv", tmp_path)


def test_a_coding_table_that_is_not_there(tmp_path):
    pd.DataFrame([FIGURE]).to_csv(tmp_path / "published_figures.csv", index=False)
    with pytest.raises(EvidenceError, match=r"There is no file studies\.csv at"):
        published.build(tmp_path, tmp_path)


def test_the_citation_loses_our_notes_and_keeps_the_rest():
    text = "[Ames: label from memory] Hips (a study). J Hip 2001 (authors not on the excerpt)"
    assert published.studies.citation(text) == "Hips (a study). J Hip 2001"


def test_no_page_that_only_tells_of_a_paper_counts_as_an_abstract():
    assert published.results.read_at_level("https://www.news-medical.net/x") == "secondary"
    assert (
        published.results.read_at_level("https://pubmed.ncbi.nlm.nih.gov/1 ; https://tomesphere.com/2")
        == "abstract"
    )


def test_pooling_needs_no_luck_of_order(register, tables, review):
    shuffled = reviewed(register.sample(frac=1, random_state=7), tables)
    for name, body in review.bodies.items():
        if body.answer is None:
            continue
        assert np.allclose(
            body.ways()[["estimate", "lower", "upper"]],
            shuffled.bodies[name].ways()[["estimate", "lower", "upper"]],
        )
