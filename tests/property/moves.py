"""What may happen to a worker: reads, proofs, work, checkpoints and crashes in any order."""

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from schemas.records import RETURNED, SUBMITTED

TO_THE_END: Final = 1_000  # More records, or overdue orders, than any log here has.


@dataclass(frozen=True)
class Move:
    """`read` and `prove` are about a side, `follow` works the next records of both; `count` is
    records read, orders settled, grid steps of wall time (0: the final frontier), or whether a
    proof is asked for at the end of the log."""

    kind: str
    side: int = 0
    count: int = 0


_sides = st.integers(SUBMITTED, RETURNED)
_reads = st.builds(Move, st.just("read"), _sides, st.integers(0, 4))
_proofs = st.builds(Move, st.just("prove"), _sides, st.sampled_from([0, 0, 1]))
_takes = st.builds(
    Move, st.just("take"), st.just(0), st.sampled_from([0] * 6 + [1, 3, 4, 5, 6, 7, 8, 9, 12, 24])
)
_advances = st.builds(Move, st.just("advance"), st.just(0), st.integers(1, 3))
_ends = st.sampled_from([Move("commit"), Move("commit"), Move("crash"), Move("kill")])

limits = st.sampled_from([1, 1, 2, TO_THE_END])
_follows = st.builds(Move, st.just("follow"), st.just(0), st.integers(1, 6))
_anything = st.one_of(_reads, _proofs, _takes, _follows, _follows)
core_moves = st.lists(_anything | _advances, max_size=8) | st.lists(
    _anything | _advances, min_size=10, max_size=30
)
# Mostly a few steps, then a checkpoint or a crash.
_spell = st.tuples(st.lists(_anything, min_size=1, max_size=3), _ends)
worker_moves = st.lists(_spell, min_size=3, max_size=16).map(
    lambda spells: [move for moves, end in spells for move in (*moves, end)]
)
