"""What the web port says of a worker, also before there is one."""

import time
from typing import Final

from aiokafka import TopicPartition

from streams.incidents.office import Office
from streams.readiness import unready
from streams.settings import Settings
from streams.transport.log_bounds import BrokerUnavailable
from streams.web.metrics import Snapshot, render
from streams.web.server import Pages
from streams.worker import Worker

CONNECTING: Final = "connecting to the broker"


class Status:
    """The pages of a worker that is attached once it is there."""

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = settings.bootstrap_servers
        self._worker: Worker | None = None
        self._office: Office | None = None

    def attach(self, worker: Worker, office: Office | None) -> None:
        """From now on the pages are about this worker, and the office where there is one."""
        self._worker, self._office = worker, office

    @property
    def worker(self) -> Worker | None:
        """Whom the pages are about; None before there is one."""
        return self._worker

    def pages(self) -> Pages:
        """What the web server asks for."""
        return Pages(self._unready, self._metrics)

    def _unready(self) -> list[str]:
        if self._worker is None:
            return [f"{CONNECTING} at {self._bootstrap}"]
        return unready(self._worker)

    async def _metrics(self) -> bytes:
        worker = self._worker
        now_ms = time.time_ns() // 1_000_000
        if worker is None:
            return render(Snapshot((), {}, {}, (), now_ms))
        lags = await _lags(worker)
        held = worker.means.rhythm.holds.reasons()
        standing = None if self._office is None else self._office.standing
        return render(Snapshot(worker.roster, worker.restores, lags, held, now_ms, standing))


async def _lags(worker: Worker) -> dict[TopicPartition, int]:
    """Asked of the broker for each scrape; those left out whose leader does not answer."""
    worked = {tp: at for charge in worker.roster for tp, at in charge.offsets().items()}
    if not worked:
        return {}
    try:
        ends = await worker.means.log_bounds.log_ends(worked)
    except BrokerUnavailable:
        return {}
    return {tp: max(end - worked[tp], 0) for tp, end in ends.items()}
