"""What reading one record costs: `python -m tests.unit.schemas.measure`."""

import timeit
from functools import partial

from schemas.codec import read_return, read_submission
from tests.unit.schemas.samples import RETURN, SUBMISSION, TRACEPARENT, record_of

ROUNDS = 7
RECORDS = 50_000


def main() -> None:
    """Print the best of the rounds, in ns a record."""
    headers = (("traceparent", TRACEPARENT.encode()),)
    three_names = {
        name: value
        for name, value in SUBMISSION.items()
        if name not in ("return_within_ms", "attempt", "player")
    }
    cases = {
        "submission, 7 fields": (read_submission, record_of(three_names)),
        "submission, 10 fields": (read_submission, record_of(SUBMISSION)),
        "submission, traceparent header": (read_submission, record_of(SUBMISSION, headers=headers)),
        "submission, RFC 3339 time": (
            read_submission,
            record_of(SUBMISSION | {"submitted_at": "2026-01-01T00:00:00.000Z"}),
        ),
        "return, 3 fields": (
            read_return,
            record_of({name: RETURN[name] for name in ("order_id", "returned_at", "outcome")}),
        ),
        "return, 9 fields": (read_return, record_of(RETURN)),
        "return, integer code": (read_return, record_of(RETURN | {"code": 403})),
        "return, one slip": (read_return, record_of(RETURN | {"message": 1})),
        "submission, unreadable": (read_submission, record_of(SUBMISSION | {"attempt": 0})),
    }
    for name, (read, record) in cases.items():
        once = partial(read, record)
        seconds = min(timeit.repeat(once, number=RECORDS, repeat=ROUNDS))
        print(f"{name:32} {seconds / RECORDS * 1e9:7.0f} ns")


if __name__ == "__main__":
    main()
