"""Why a worker is not ready, in sentences for people."""

from typing import Final

from streams.worker import Worker

SILENCE_SHOWN_S: Final = 2.0  # Shorter ones are a leader that moves, or a connection made anew.


def unready(worker: Worker) -> list[str]:
    """What speaks against it, line by line; nothing if it is ready."""
    if worker.assignment is None:
        return [*_silence(worker), "waiting for the consumer group to assign partitions"]
    reasons = [
        f"partition {partition} is restored to {progress.read_to} of {progress.end}"
        for partition, progress in sorted(worker.restores.items())
        if progress.end
    ]
    is_open = {charge.watch.partition for charge in worker.roster.open_charges()}
    restored = {partition for partition, it in worker.restores.items() if it.end}
    closed = sorted(worker.assignment.partitions - is_open - restored)
    if closed:
        reasons.append(f"partitions {closed} are being taken over")
    reasons += _silence(worker)
    doubt = worker.means.rhythm.clock.doubt()
    if doubt and is_open:
        reasons.append(f"absence cannot be proven: {doubt}")
    return [*reasons, *worker.means.rhythm.holds.sentences()]


def _silence(worker: Worker) -> list[str]:
    silent_s = max(worker.means.log_bounds.silent_s, worker.means.topics.silence.s)
    return (
        [f"the broker has not answered for {silent_s:.0f} s"] if silent_s >= SILENCE_SHOWN_S else []
    )
