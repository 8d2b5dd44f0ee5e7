"""Long reports, and those on which long chains wait, come first."""

from soa_evidence.publish.order import urgency


def test_the_way_to_go_is_the_longest_chain_that_waits():
    after = {"feeder": (), "long": (), "short": (), "case": ("feeder", "short"), "last": ("case",)}
    seconds = {"feeder": 5.0, "long": 11.0, "short": 1.0, "case": 3.0, "last": 4.0}
    told = urgency(after, seconds)
    assert told == {"feeder": 5 + 3 + 4, "long": 11, "short": 1 + 3 + 4, "case": 3 + 4, "last": 4}
    assert sorted(told, key=told.get, reverse=True) == ["feeder", "long", "short", "case", "last"]


def test_a_report_that_never_ran_is_taken_to_be_like_most():
    assert urgency({"new": (), "old": ()}, {"old": 9.0, "gone": 2.0, "other": 3.0}) == {"new": 3, "old": 9}
    assert urgency({"new": (), "then": ("new",)}, {}) == {"new": 2, "then": 1}


def test_a_feeder_that_is_up_to_date_holds_no_one_up():
    assert urgency({"report": ("done",)}, {"report": 2.0}) == {"report": 2}
