"""What the AsyncAPI document says of counts, incidents, limits and silences, as data."""

from typing import Final, NamedTuple


class Message(NamedTuple):
    """A kind of record: its schema, what its key is, and its CloudEvents type where it has one."""

    schema: str
    key: str
    summary: str
    ce_type: str | None = None


_EVENT: Final = "A CloudEvent in binary mode."

MESSAGES: Final = {
    "stats": Message("Stats", "partition number", "Seconds of counts, with a checkpoint."),
    "heartbeat": Message("Heartbeat", "partition number", "Each 5 s: how far a partition sees."),
    **{
        f"incident{state.capitalize()}": Message(
            "Incident", "incident id", _EVENT, f"returnwatch.incident.{state}.v1"
        )
        for state in ("opened", "updated", "closed")
    },
    **{
        f"limit{state.capitalize()}": Message(
            "LimitCrossed", "limit id", _EVENT, f"returnwatch.limit.{state}.v1"
        )
        for state in ("exceeded", "cleared")
    },
    "silenceEnded": Message("SilenceEnded", "silence id", _EVENT, "returnwatch.silence.ended.v1"),
    "silence": Message("SilenceRecord", "silence id", "Planned work; the newest of an id holds."),
}
# Name to the setting that has the topic, the messages on it, and what it is for.
CHANNELS: Final = {
    "orderStats": (
        "stats_topic",
        ("stats", "heartbeat"),
        "What happened in each second, by provider, merchant and kind",
    ),
    "orderIncidents": (
        "incidents_topic",
        tuple(name for name, message in MESSAGES.items() if message.ce_type),
        "What is broken, where and since when; limits; digests of silences",
    ),
    "orderSilences": ("silences_topic", ("silence",), "Planned work, given by people"),
}
OPERATIONS: Final = {
    "sendStats": ("send", "orderStats", "Counts, and says how far it sees."),
    "readStats": ("receive", "orderStats", "Concludes incidents from them."),
    "sendIncidents": ("send", "orderIncidents", "Tells each state of an incident once."),
    "readSilences": ("receive", "orderSilences", "Marks the incidents of planned work."),
}
HEADERS: Final = {
    "ce_specversion": "The CloudEvents version, 1.0.",
    "ce_id": "The same whenever it is made again. Deduplicate by it.",
    "ce_source": "/returnwatch/ and the app id.",
    "ce_type": "What it is.",
    "ce_time": "When, in the log's time (RFC 3339).",
    "ce_subject": "The key.",
    "content-type": "application/json",
}
