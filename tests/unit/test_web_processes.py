"""The metrics of several processes as one page."""

from prometheus_client.parser import text_string_to_metric_families

from schemas.records import RETURNED, SUBMITTED
from streams.web.metrics import Snapshot
from streams.web.metrics import render as render_one
from streams.web.processes import ProcessState, render
from tests.unit.charges import START_MS, Clock, new_charge, submit

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def page_of(orders: int) -> str:
    """The metrics of a worker with so many open orders in partition 0."""
    clock = Clock()
    charge = new_charge(clock)
    for number in range(orders):
        submit(charge, f"order-{number}", START_MS)
    clock.now_ms = START_MS + 500
    for side, end in ((SUBMITTED, orders), (RETURNED, 0)):
        charge.watch.sequence.prove(side, end, clock.now_ms)
    charge.work()
    lags = dict.fromkeys(charge.tps, 7)
    return render_one(Snapshot([charge], {}, lags, (), clock.now_ms)).decode()


def samples(*processes: ProcessState) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(render(processes).decode())
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[f"returnwatch_{name}", tuple(sorted(labels.items()))]


def test_each_series_has_the_number_of_its_process() -> None:
    found = samples(ProcessState(1, 0, page_of(2)), ProcessState(2, 0, page_of(3)))

    assert value(found, "orders", partition="0", state="open", process="1") == 2
    assert value(found, "orders", partition="0", state="open", process="2") == 3
    read = {"partition": "0", "topic": "order-submitted"}
    assert value(found, "records_read_total", process="1", **read) == 2
    assert value(found, "records_read_total", process="2", **read) == 3


def test_nothing_of_a_process_is_lost_and_each_family_is_described_once() -> None:
    alone = page_of(2)
    both = render((ProcessState(1, 0, alone), ProcessState(2, 0, alone))).decode()

    def lines(text: str, start: str) -> list[str]:
        return sorted(line for line in text.splitlines() if line.startswith(start))

    ours = {line for line in lines(both, "#") if "returnwatch_process_" in line}
    assert sorted(set(lines(both, "#")) - ours) == lines(alone, "#")
    assert len(lines(both, "#")) == len(set(lines(both, "#")))
    own = [line for line in lines(both, "returnwatch_") if "returnwatch_process_" not in line]
    assert len(own) == 2 * len(lines(alone, "returnwatch_"))


def test_a_process_that_gives_no_metrics_is_down_and_hides_nothing_of_the_others() -> None:
    found = samples(ProcessState(1, 3, None), ProcessState(2, 0, page_of(1)))

    assert value(found, "process_up", process="1") == 0
    assert value(found, "process_up", process="2") == 1
    assert value(found, "process_restarts_total", process="1") == 3
    assert value(found, "orders", partition="0", state="open", process="2") == 1
