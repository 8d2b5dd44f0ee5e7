"""Laws of the evidence register's methods, whatever the rows, their order or their names."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.synthesis import appraisal, grade, prisma, rob2, robins_i

ANSWERS = st.sampled_from(["Y", "PY", "PN", "N", "NI"])
QUICK = settings(max_examples=40, deadline=None)


def frame(tool, answers):
    numbers = [q.id for domain in tool.domains for q in domain.questions]
    return pd.DataFrame(
        {"study_id": "ames", "tool": tool.id, "question": numbers, "answer": answers, "reason": "as read"}
    )


def every(tool):
    size = sum(len(domain.questions) for domain in tool.domains)
    return st.lists(ANSWERS, min_size=size, max_size=size)


@QUICK
@given(every(robins_i.TOOL), st.randoms(use_true_random=False))
def test_order_of_answers_does_not_matter(answers, random):
    first = frame(robins_i.TOOL, answers)
    order = list(first.index)
    random.shuffle(order)
    assert appraisal.fit(first).overall.equals(appraisal.fit(first.loc[order]).overall)


@QUICK
@given(every(robins_i.TOOL))
def test_the_overall_judgement_is_never_better_than_any_domain(answers):
    result = appraisal.fit(frame(robins_i.TOOL, answers))
    rank = {"low": 0, "moderate": 1, "no information": 2, "serious": 3, "critical": 4}
    assert rank[result.of("ames")] == max(rank[j] for j in result.domains["judgement"])


@QUICK
@given(every(rob2.TOOL))
def test_probably_is_as_good_as_a_plain_answer_in_rob_2(answers):
    plain = [{"PY": "Y", "PN": "N"}.get(answer, answer) for answer in answers]
    one, other = (appraisal.fit(frame(rob2.TOOL, a)).domains["judgement"] for a in (answers, plain))
    assert one.equals(other)


STEP = st.integers(min_value=-2, max_value=0)


@QUICK
@given(st.lists(STEP, min_size=5, max_size=5), st.integers(min_value=0, max_value=4))
def test_one_more_step_down_never_raises_certainty(taken, which):
    def level(numbers):
        rows = [(d, n, "judged", "why") for d, n in zip(grade.DOMAINS, numbers, strict=True)]
        steps = pd.DataFrame(rows, columns=["domain", "steps", "how", "reason"])
        return grade.LEVELS.index(grade.fit(steps, start="trials").level)

    lower = [max(-2, n - (i == which)) for i, n in enumerate(taken)]
    assert level(lower) <= level(taken)
    assert level(taken) == max(0, 3 + sum(taken))


@QUICK
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_tree_of_counts_made_by_adding_adds_up(branches):
    rows = [("all", None, sum(map(sum, branches)))]
    for i, leaves in enumerate(branches):
        rows.append((f"branch {i}", "all", sum(leaves)))
        rows += [(f"leaf {i}.{j}", f"branch {i}", n) for j, n in enumerate(leaves)]
    boxes = pd.DataFrame(rows, columns=["box", "part_of", "figures"])
    flow = prisma.fit(boxes.sample(frac=1, random_state=1), same_as=None)
    assert flow.count("all") == sum(map(sum, branches))
