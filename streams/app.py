"""The composition root: the Faust app, the agent and the worker wired together, and their run."""

import asyncio
import os
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import faust
import structlog

from streams.agent import watch_incidents, watch_orders
from streams.authorizer import is_refusal, lost_grants, missing_grants, obstacles, refusals
from streams.commands.console import complain
from streams.core.rules import Policy
from streams.guards import TopicGuard
from streams.incidents.office import OWNERS_PARTITION, Colleague, Office
from streams.patience import keep_asking
from streams.progress import Reporter
from streams.settings import Settings
from streams.site import Site
from streams.state.header import StateError
from streams.topic_admin import Topics
from streams.topic_findings import in_short
from streams.topics import Found, Refused, wanted_topics
from streams.transport.consumer import BatchTransport, ReadFailed
from streams.transport.log_bounds import BrokerUnavailable, LogBounds
from streams.web.server import WebServer
from streams.web.status import Status
from streams.worker import Worker

STATS_WAITING_MAX: Final = 16  # One at a time is sent; again where a rebalance emptied the channel.
BATCHES_WAITING_MAX: Final = 4  # Handed over and not yet worked; each of up to 5,000 records.
STOP_TIMEOUT_S: Final = 9.0  # From the reason to stop to the end of the process.
CHECK_S: Final = 1.0
RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)


async def watch(
    settings: Settings,
    policy: Policy,
    stop: asyncio.Event,
    *,
    accept_gap: bool = False,
    status: Status | None = None,
    reader_options: Mapping[str, Any] | None = None,
) -> None:
    """Watch the orders until `stop` is set; any failure is raised, with nothing half written.

    `reader_options` are for who reads what was written in transactions, where consumers need
    others than clients in general."""
    options = settings.kafka_client_options()
    status = status or Status(settings)
    async with AsyncExitStack() as stack:
        web = WebServer(status.pages(), host=settings.web_host, port=settings.web_port)
        await stack.enter_async_context(web)
        topics = await _reach(settings, stop, stack)
        if topics is None:
            return
        found = await topics_of(settings, topics)
        log_bounds = await stack.enter_async_context(LogBounds(options))
        app = faust_app(settings)
        site = Site(settings, policy, found, accept_gap)
        means = site.means(log_bounds)
        worker = Worker(means, lambda: app.consumer)  # Faust makes it when it starts.
        app.transport = transport_of(app, options, worker)
        watch_orders(app, (settings.submitted_topic, settings.returned_topic), worker.take)
        worker.spawn(reporter_of(worker).run())
        status.attach(worker, office_of(app, worker, site=site, options=reader_options or options))
        guard = means.topics
        worker.spawn(
            keep_asking(
                lambda: guard.run(topics),
                lambda: guard.silence.s,
                limit_s=settings.broker_timeout_s,
            )
        )
        try:
            await _run(app, worker, stop)
        except Exception as error:
            reason = await _reason_behind(error, settings, topics=topics, guard=guard)
            if reason is None:
                raise
            raise reason from error


async def _reason_behind(
    error: Exception, settings: Settings, *, topics: Topics, guard: TopicGuard
) -> Exception | None:
    """What a failure comes of that says less than can be known; None where it says it itself."""
    if is_refusal(error):
        wrong = await lost_grants(settings, topics)
        return Refused(wrong) if wrong else None
    if isinstance(error, ReadFailed):  # An offset is not there: perhaps it is another topic's.
        try:
            await guard.look(topics)
        except StateError as reason:
            return reason
        except BrokerUnavailable:
            return None
    return None


async def topics_of(settings: Settings, topics: Topics) -> dict[str, Found]:
    """All topics; Refused where they are not as they have to be or the broker does not let us
    use them."""
    found = await topics.find(topic.name for topic in wanted_topics(settings))
    missing = await missing_grants(settings, topics, found)
    wrong = obstacles(settings, found, missing)
    if wrong:
        raise Refused(in_short(settings, wrong))
    for _, finding in refusals(settings, missing or ()):
        log.warning("less is checked than could be", why=str(finding))
    return found


class OrdersApp(faust.App):
    """Faust's app, which keeps nothing on disk."""

    def _create_directories(self) -> None:
        """Tables would be kept there, and there are none."""


def faust_app(settings: Settings) -> faust.App:
    """The app of the consumer group; what is out of use in Faust is switched off."""
    return OrdersApp(
        settings.app_id,
        broker="kafka://",  # The transport has the settings' own client options.
        stream_wait_empty=False,
        stream_buffer_maxsize=BATCHES_WAITING_MAX,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        producer_threaded=False,
        autodiscover=False,
    )


def transport_of(app: faust.App, options: dict[str, Any], worker: Worker) -> BatchTransport:
    """The transport that reads batches for the worker."""
    transport = BatchTransport(app.conf.broker_consumer, app, loop=asyncio.get_running_loop())
    transport.client_options = options
    transport.observer = worker
    return transport


def office_of(
    app: faust.App, worker: Worker, *, site: Site, options: Mapping[str, Any]
) -> Office | None:
    """Who owns incidents while the worker has the owner's partition, at work behind an agent; None
    where nothing is counted."""
    if not site.settings.stats:
        return None
    channel = app.channel(maxsize=STATS_WAITING_MAX)
    colleague = Colleague(
        charge=lambda: worker.roster.get(OWNERS_PARTITION),
        generation=lambda: worker.generation,
        member=lambda: worker.member,
        on_failed=worker.on_failed,
    )
    broker = worker.means.log_bounds
    office = Office(site.premises(options), site.remit(), broker, colleague, channel)
    watch_incidents(app, channel, office.take)
    limit_s = site.settings.broker_timeout_s
    worker.spawn(keep_asking(office.run, lambda: broker.silent_s, limit_s=limit_s))
    return office


def reporter_of(worker: Worker) -> Reporter:
    """Who logs the worker's long work."""
    means = worker.means
    return Reporter(
        worker.roster.open_charges, worker.restores, means.log_bounds, means.rhythm.clock.now_ms
    )


async def _reach(settings: Settings, stop: asyncio.Event, stack: AsyncExitStack) -> Topics | None:
    """A connection to the broker, tried again for a while; None if told to stop meanwhile."""
    began_s = time.monotonic()
    while not stop.is_set():
        try:
            return await stack.enter_async_context(Topics(settings.kafka_client_options()))
        except BrokerUnavailable as error:
            waited_s = time.monotonic() - began_s
            if waited_s > settings.broker_timeout_s:
                raise BrokerUnavailable(f"{error} Tried for {waited_s:.0f} s.") from error
            log.warning(
                "no broker answers, trying again",
                why=str(error),
                bootstrap_servers=settings.bootstrap_servers,
                waited_s=round(waited_s),
                gives_up_after_s=settings.broker_timeout_s,
            )
        await asyncio.wait({asyncio.create_task(stop.wait())}, timeout=RETRY_S)
    return None


async def _run(app: faust.App, worker: Worker, stop: asyncio.Event) -> None:
    beside: list[asyncio.Task[Any]] = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(_start(app)),
        asyncio.create_task(_crash_of(app, stop)),
    ]
    worker.start()
    ends: list[asyncio.Future[Any]] = [*beside, worker.failed]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    errors = [error for end in ends if end.done() and (error := end.exception()) is not None]
    # The rest happens within STOP_TIMEOUT_S, even where a library's thread does not end.
    last_resort = threading.Timer(STOP_TIMEOUT_S, _give_up, errors[:1])
    last_resort.daemon = True
    last_resort.start()
    for task in beside:
        task.cancel()
    await worker.stop()
    await asyncio.gather(app.stop(), *beside, return_exceptions=True)
    last_resort.cancel()
    if errors:
        raise errors[0]
    if worker.failed.done():
        worker.failed.result()


async def _start(app: faust.App) -> None:
    """Start Faust, then look for what the group's member meets; never returns."""
    await app.start()
    while True:
        await app.consumer.check()
        await asyncio.sleep(CHECK_S)


async def _crash_of(app: faust.App, stop: asyncio.Event) -> None:
    await app.wait_until_stopped()
    if app.crash_reason is not None:
        raise app.crash_reason
    if not stop.is_set():
        raise RuntimeError("Faust stopped without a reason")


def _give_up(error: BaseException | None = None) -> None:
    log.error("stopping took too long, leaving", limit_s=STOP_TIMEOUT_S)
    complain(str(error or "The worker could not stop in order; starting it again is right."))
    os._exit(1)
