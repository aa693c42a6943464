"""The digest of a silence: told once, when its time in the log is over."""

from typing import Any

import msgspec
import pytest

from schemas.incidents import AtRisk, Incident, Scope
from schemas.silences import SilenceRecord, digest_headers, encode_silence, read_digest
from schemas.times import rfc3339
from streams.core.digests import Digests

T = 1_800_000_000_000
PG = SilenceRecord("s-1", Scope("pg"), rfc3339(T), rfc3339(T + 60_000), "firewall", rfc3339(T - 1))


def incident(**fields: Any) -> Incident:
    values: dict[str, Any] = {
        "incident_id": "i-1",
        "revision": 1,
        "state": "opened",
        "cause": "system_failure",
        "causes": (),
        "scope": Scope("pg", "bakery"),
        "since": rfc3339(T + 5_000),
        "until": None,
        "told_at": rfc3339(T + 6_000),
        "orders_timed_out": 10,
        "returned_late": 0,
        "money_at_risk": (AtRisk("EUR", 500),),
        "order_ids": ("a",),
        "severity": "critical",
        "remedy": "",
        "runbook": "",
        "silenced": "firewall",
    }
    return Incident(**values | fields)


def test_the_digest_has_each_incident_as_it_was_told_last() -> None:
    digests = Digests()
    digests.know([PG])

    assert digests.work(T + 10_000, [incident()]) == []
    grown = incident(state="updated", revision=2, orders_timed_out=100, returned_late=7)
    assert digests.work(T + 20_000, [grown, incident(incident_id="i-2")]) == []
    (digest,) = digests.work(T + 60_000, [])

    assert (digest.silence_id, digest.why) == ("s-1", "firewall")
    assert (digest.orders_timed_out, digest.returned_late) == (110, 7)
    assert digest.money_at_risk == (AtRisk("EUR", 1_000),)
    assert [each.incident_id for each in digest.incidents] == ["i-1", "i-2"]
    assert digests.work(T + 120_000, []) == []
    assert read_digest(encode_silence(digest)) == digest
    assert dict(digest_headers(digest, "/x"))["ce_type"] == b"returnwatch.silence.ended.v1"


def test_incidents_that_are_not_silenced_or_of_another_silence_are_not_in_it() -> None:
    digests = Digests()
    digests.know([PG])

    others = [incident(silenced=None), incident(silenced="else"), incident(scope=Scope("acme"))]
    (digest,) = digests.work(T + 60_000, others)

    assert digest.incidents == ()


def test_a_silence_that_was_over_before_is_not_told_and_one_ended_early_is_told_then() -> None:
    digests = Digests()
    digests.work(T + 30_000, [])
    over = msgspec.structs.replace(PG, silence_id="s-0", until=rfc3339(T + 20_000))
    digests.know([over, PG])
    digests.work(T + 31_000, [])

    digests.know([over, msgspec.structs.replace(PG, until=rfc3339(T + 40_000))])

    (digest,) = digests.work(T + 40_000, [])
    assert (digest.silence_id, digest.until) == ("s-1", rfc3339(T + 40_000))


def test_what_is_restored_goes_on() -> None:
    digests = Digests()
    digests.know([PG])
    digests.work(T + 10_000, [incident()])

    again = Digests.from_bytes(digests.to_bytes())

    (digest,) = again.work(T + 60_000, [])
    assert digest.orders_timed_out == 10
    with pytest.raises(ValueError, match="not a state"):
        Digests.from_bytes(b"[]")
