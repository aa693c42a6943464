"""The verdicts as short stories: one for each cell of the table, one for each rule below it.

Times are seconds; an order has 10 s to return, a return is held 20 s, an order remembered 60 s.
Every story is told by the real core and by the naive model.
"""

from schemas.alerts import alert_id
from tests.property.logs import BASE_MS
from tests.property.stories import ORDER_ID, returned, submitted, told, unreadable

# The order is unknown.


def test_an_unknown_order_is_opened_by_its_submission_and_times_out_at_its_deadline() -> None:
    assert told(submitted(0)) == [(10, "timed_out")]


def test_a_return_to_an_unknown_order_is_held_and_unmatched_when_the_hold_is_over() -> None:
    assert told(returned(0)) == [(20, "unmatched_return")]


def test_an_interim_return_to_an_unknown_order_is_only_counted() -> None:
    assert told(returned(0, "pending"), submitted(1), show=("interim",)) == [
        (11, "timed_out", None)
    ]


# The order is open.


def test_an_order_answered_in_time_is_silent() -> None:
    assert told(submitted(0), returned(3, "rejected")) == []


def test_a_return_that_arrives_at_the_deadline_is_in_time() -> None:
    assert told(submitted(0), returned(10)) == []


def test_a_return_that_arrives_just_after_the_deadline_is_late() -> None:
    alerts = told(submitted(0), returned(10.001), show=("attempt",))

    assert alerts == [(10, "timed_out", 1), (10.001, "returned_late", 1)]


def test_a_newer_attempt_of_an_open_order_has_a_deadline_of_its_own() -> None:
    alerts = told(submitted(0), submitted(4, attempt=2), show=("attempt", "source"))

    source = {"topic": "order-submitted", "partition": 3, "offset": 1}
    assert alerts == [(14, "timed_out", 2, source)]


def test_a_duplicate_submission_does_not_move_the_deadline() -> None:
    assert told(submitted(0, attempt=2), submitted(4, attempt=2), submitted(5)) == [
        (10, "timed_out")
    ]


def test_a_return_after_a_retry_settles_the_time_out_of_the_earlier_attempt() -> None:
    alerts = told(
        submitted(0), submitted(15, attempt=2), returned(18), show=("attempt", "deadline")
    )

    assert alerts == [
        (10, "timed_out", 1, "2026-01-01T00:00:10.000Z"),
        (18, "returned_late", 1, "2026-01-01T00:00:10.000Z"),
    ]


# The order has timed out.


def test_a_late_return_resolves_the_time_out_by_its_id() -> None:
    timed_out, late = told(
        *(submitted(0), returned(17)), show=("alert_id", "resolves", "late_by_ms", "outcome")
    )

    assert late[3:] == (timed_out[2], 7_000, "accepted")


def test_a_newer_attempt_of_a_timed_out_order_is_open_again() -> None:
    alerts = told(submitted(0), submitted(30, attempt=2), show=("attempt",))

    assert alerts == [(10, "timed_out", 1), (40, "timed_out", 2)]


def test_a_return_after_two_time_outs_settles_both_and_names_the_newest() -> None:
    alerts = told(submitted(0), submitted(30, attempt=2), returned(50), show=("attempt",))

    assert alerts == [(10, "timed_out", 1), (40, "timed_out", 2), (50, "returned_late", 2)]


def test_a_duplicate_submission_of_a_timed_out_order_changes_nothing() -> None:
    assert told(submitted(0), submitted(30), returned(65)) == [
        (10, "timed_out"),
        (65, "returned_late"),
    ]


def test_a_timed_out_order_is_still_known_at_the_end_of_remember() -> None:
    assert told(submitted(0), returned(70))[1] == (70, "returned_late")


def test_a_timed_out_order_is_forgotten_after_remember() -> None:
    assert told(submitted(0), returned(70.001))[1] == (90.001, "unmatched_return")


# A return is held.


def test_a_submission_after_its_return_matches_and_never_times_out() -> None:
    assert told(returned(0), submitted(5)) == []


def test_a_submission_at_the_end_of_the_hold_still_matches() -> None:
    assert told(returned(0), submitted(20)) == []


def test_a_submission_after_an_unmatched_return_closes_the_order_all_the_same() -> None:
    assert told(returned(0), submitted(30), submitted(31)) == [(20, "unmatched_return")]


def test_an_unmatched_return_is_forgotten_remember_after_it_arrived() -> None:
    at_the_end = told(returned(0), submitted(60))
    after_it = told(returned(0), submitted(60.001))

    assert at_the_end == [(20, "unmatched_return")]
    assert after_it == [(20, "unmatched_return"), (70.001, "timed_out")]


def test_the_same_outcome_again_for_a_held_order_is_a_duplicate() -> None:
    assert told(returned(0), returned(5)) == [(20, "unmatched_return")]


def test_another_outcome_for_a_held_order_is_a_conflict_and_the_first_stays_held() -> None:
    alerts = told(returned(0), returned(5, "rejected"), show=("outcome",))

    assert alerts == [(5, "conflicting_return", "rejected"), (20, "unmatched_return", "accepted")]


# The order is closed.


def test_the_same_outcome_again_for_a_closed_order_is_a_duplicate() -> None:
    assert told(submitted(0), returned(1), returned(2)) == []


def test_another_outcome_for_a_closed_order_is_a_conflict_and_the_first_stands() -> None:
    alerts = told(
        *(submitted(0), returned(1), returned(2, "rejected"), returned(3)),
        show=("attempt", "first_outcome", "outcome", "severity", "rule"),
    )

    assert alerts == [(2, "conflicting_return", 1, "accepted", "rejected", "warning", None)]


def test_a_newer_attempt_of_a_closed_order_is_open() -> None:
    alerts = told(submitted(0), returned(1), submitted(20, attempt=2), show=("attempt",))

    assert alerts == [(30, "timed_out", 2)]


def test_a_reopened_order_has_lost_its_first_outcome() -> None:
    assert told(submitted(0), returned(1), submitted(2, attempt=2), returned(3, "rejected")) == []


def test_a_duplicate_submission_of_a_closed_order_changes_nothing() -> None:
    assert told(submitted(0), returned(1), submitted(2)) == []


def test_a_closed_order_is_still_known_at_the_end_of_remember() -> None:
    assert told(submitted(0), returned(1), submitted(61)) == []


def test_a_closed_order_is_forgotten_after_remember() -> None:
    assert told(submitted(0), returned(1), submitted(61.001)) == [(71.001, "timed_out")]


# A return that names an attempt.


def test_a_return_that_names_a_newer_attempt_answers_the_open_order_as_that_attempt() -> None:
    assert told(submitted(0), returned(1, attempt=3), submitted(2, attempt=3)) == []


def test_a_return_that_names_a_newer_attempt_is_late_for_a_timed_out_order() -> None:
    alerts = told(submitted(0), returned(15, attempt=2), submitted(16, attempt=2))

    assert alerts == [(10, "timed_out"), (15, "returned_late")]


def test_a_return_that_names_a_newer_attempt_of_a_closed_order_is_no_conflict() -> None:
    alerts = told(
        *(submitted(0), returned(1), returned(2, "rejected", attempt=2)),
        *(submitted(3, attempt=2), returned(4)),
        show=("attempt", "first_outcome"),
    )

    assert alerts == [(4, "conflicting_return", 2, "rejected")]


def test_a_return_that_names_a_newer_attempt_of_a_closed_order_renews_remember() -> None:
    assert told(submitted(0), returned(1), returned(50, attempt=2), submitted(110)) == []


def test_an_order_accepted_twice_under_two_attempts_is_a_conflict() -> None:
    alerts = told(
        *(submitted(0), submitted(1, attempt=2), returned(2), returned(3, attempt=1)),
        show=("attempt", "first_outcome", "outcome"),
    )

    assert alerts == [(3, "conflicting_return", 2, "accepted", "accepted")]


def test_an_older_attempt_that_was_rejected_is_no_conflict() -> None:
    story = submitted(0, attempt=2), returned(2), returned(3, "rejected", attempt=1)

    assert told(*story) == []


def test_an_older_attempt_accepted_after_a_rejection_is_no_conflict() -> None:
    assert told(submitted(0, attempt=2), returned(2, "rejected"), returned(3, attempt=1)) == []


def test_the_newest_return_for_an_older_attempt_is_evidence_of_the_time_out() -> None:
    alerts = told(
        *(submitted(0, attempt=3), returned(1, attempt=1), returned(2, "rejected", attempt=2)),
        show=("attempt", "older"),
    )

    assert alerts == [(10, "timed_out", 3, {"attempt": 2, "outcome": "rejected"})]


def test_a_return_for_an_older_attempt_does_not_settle_a_time_out() -> None:
    assert told(submitted(0, attempt=2), returned(15, attempt=1)) == [(10, "timed_out")]


def test_a_held_return_closes_an_earlier_attempt_as_the_attempt_it_names() -> None:
    assert told(returned(0, attempt=3), submitted(1), submitted(2, attempt=3)) == []


def test_an_attempt_after_the_one_that_a_held_return_named_is_open() -> None:
    alerts = told(returned(0, attempt=2), submitted(1), submitted(2, attempt=3), show=("attempt",))

    assert alerts == [(12, "timed_out", 3)]


def test_a_held_return_for_an_older_attempt_is_dropped_and_the_order_opens() -> None:
    alerts = told(returned(0, attempt=1), submitted(1, attempt=2), show=("attempt", "older"))

    assert alerts == [(11, "timed_out", 2, None)]


def test_a_return_for_a_newer_attempt_replaces_the_held_one_and_is_held_anew() -> None:
    alerts = told(
        *(returned(0, attempt=1), returned(15, "rejected", attempt=2)), show=("attempt", "outcome")
    )

    assert alerts == [(35, "unmatched_return", 2, "rejected")]


def test_a_return_that_replaces_an_unmatched_one_can_be_unmatched_again() -> None:
    alerts = told(returned(0, attempt=1), returned(25, attempt=2), show=("attempt",))

    assert alerts == [(20, "unmatched_return", 1), (45, "unmatched_return", 2)]


def test_a_return_for_an_older_attempt_than_the_held_one_is_only_counted() -> None:
    alerts = told(returned(0, attempt=2), returned(5, "rejected", attempt=1), show=("attempt",))

    assert alerts == [(20, "unmatched_return", 2)]


def test_a_conflict_of_a_held_order_says_the_attempt_that_the_held_return_names() -> None:
    named = told(returned(0, attempt=2), returned(5, "rejected"), show=("attempt",))
    unnamed = told(returned(0), returned(5, "rejected", attempt=2), show=("attempt",))

    assert named[0] == (5, "conflicting_return", 2)
    assert unnamed[0] == (5, "conflicting_return", None)


# Evidence.


def test_the_last_interim_return_and_their_count_are_evidence_of_the_time_out() -> None:
    interim = {"outcome": "error", "code": "E1", "message": "busy", "count": 2}

    alerts = told(
        *(submitted(0), returned(1, "pending"), returned(2, "error", code="E1", message="busy")),
        show=("interim",),
    )

    assert alerts == [(10, "timed_out", interim)]


def test_a_new_attempt_starts_without_interim_returns() -> None:
    story = submitted(0), returned(1, "pending"), submitted(2, attempt=2)

    assert told(*story, show=("interim",)) == [(12, "timed_out", None)]


def test_an_interim_return_for_another_attempt_is_only_counted() -> None:
    story = (
        submitted(0, attempt=2),
        returned(1, "pending", attempt=1),
        returned(2, "error", attempt=3),
    )

    assert told(*story, show=("interim",)) == [(10, "timed_out", None)]


def test_an_interim_return_to_a_held_or_closed_order_changes_nothing() -> None:
    assert told(returned(0), returned(1, "error"), submitted(2), returned(3, "error")) == []


def test_unreadable_returns_are_evidence_of_the_time_out() -> None:
    alerts = told(
        submitted(0), unreadable(1), unreadable(2), unreadable(3, "submitted"), show=("unreadable",)
    )

    place = {"topic": "order-returned", "partition": 3, "offset": 1, "field": "value"}
    assert alerts == [(10, "timed_out", {"count": 2, **place})]


def test_an_unreadable_return_before_the_submission_is_no_evidence() -> None:
    assert told(unreadable(0), submitted(1), show=("unreadable",)) == [(11, "timed_out", None)]


def test_older_and_unreadable_returns_stay_evidence_for_the_next_attempt() -> None:
    alerts = told(
        *(submitted(0, attempt=2), returned(1, attempt=1), unreadable(2), submitted(3, attempt=3)),
        show=("older", "unreadable"),
    )

    place = {"topic": "order-returned", "partition": 3, "offset": 1, "field": "value"}
    older = {"attempt": 1, "outcome": "accepted"}
    assert alerts == [(13, "timed_out", older, {"count": 1, **place})]


# Times.


def test_an_order_that_arrives_after_its_deadline_times_out_at_its_arrival() -> None:
    alerts = told(submitted(30, ago_s=25), show=("deadline",))

    assert alerts == [(30, "timed_out", "2026-01-01T00:00:15.000Z")]


def test_a_return_that_arrives_together_with_an_overdue_order_is_in_time() -> None:
    assert told(submitted(30, ago_s=25), returned(30)) == []


def test_a_retry_that_arrives_after_its_deadline_times_out_at_its_arrival() -> None:
    alerts = told(submitted(0), submitted(9, attempt=2, ago_s=30), show=("attempt",))

    assert alerts == [(9, "timed_out", 2)]


def test_remember_counts_from_when_a_time_out_took_effect_not_from_its_deadline() -> None:
    assert told(submitted(30, ago_s=25), returned(90))[1] == (90, "returned_late")


def test_an_order_has_its_own_time_to_return_within_the_bounds_of_the_rule() -> None:
    own = told(submitted(0, return_within_ms=3_000), show=("return_within_ms",))
    too_long = told(submitted(0, return_within_ms=90_000), show=("return_within_ms",))

    assert own == [(3, "timed_out", 3_000)]
    assert too_long == [(20, "timed_out", 20_000)]


def test_a_time_out_is_not_told_before_the_frontier_has_passed_its_deadline() -> None:
    assert told(submitted(0), until_s=10) == []
    assert told(submitted(0), until_s=10.001) == [(10, "timed_out")]


def test_a_silent_order_is_told_once_however_long_nothing_happens() -> None:
    assert told(submitted(0), until_s=3_600) == [(10, "timed_out")]


def test_the_id_of_a_time_out_can_be_made_from_order_attempt_and_deadline() -> None:
    ((_, _, found),) = told(submitted(0), show=("alert_id",))

    assert found == alert_id("timed_out", ORDER_ID, f"1:{BASE_MS + 10_000}")


# A log that was entered inside.


def test_a_return_held_soon_after_the_cut_is_never_unmatched() -> None:
    assert told(returned(59.999), cut_ms=BASE_MS) == []
    assert told(returned(60), cut_ms=BASE_MS) == [(80, "unmatched_return")]


def test_a_return_held_soon_after_the_cut_still_matches_and_conflicts() -> None:
    story = returned(5), returned(6, "rejected"), submitted(30), returned(31, "rejected")

    assert told(*story, cut_ms=BASE_MS) == [(6, "conflicting_return"), (31, "conflicting_return")]


def test_the_longest_time_to_return_counts_for_the_cut_where_it_exceeds_remember() -> None:
    assert told(returned(19.999), cut_ms=BASE_MS, hold_ms=5_000, remember_ms=8_000) == []
    assert told(returned(20), cut_ms=BASE_MS, hold_ms=5_000, remember_ms=8_000) == [
        (25, "unmatched_return")
    ]


# The log has lost a stretch, and a worker was told to go on.


def test_an_order_opened_before_the_gap_ends_is_not_told_as_timed_out() -> None:
    gap = {"gap_until_ms": BASE_MS + 5_000}

    assert told(submitted(4.999), **gap) == []
    assert told(submitted(5), **gap) == [(15, "timed_out")]


def test_a_return_to_a_withheld_order_closes_it_and_is_no_late_one() -> None:
    assert told(submitted(1), returned(30), gap_until_ms=BASE_MS + 5_000) == []


def test_a_newer_attempt_after_the_gap_is_watched_as_ever() -> None:
    story = (submitted(1), submitted(30, attempt=2), returned(45))

    assert told(*story, gap_until_ms=BASE_MS + 5_000, show=("attempt",)) == [
        (40, "timed_out", 2),
        (45, "returned_late", 2),
    ]


def test_a_conflict_with_the_answer_of_a_withheld_order_is_told() -> None:
    story = (submitted(1), returned(2), returned(3, "rejected"))

    assert told(*story, gap_until_ms=BASE_MS + 5_000) == [(3, "conflicting_return")]
