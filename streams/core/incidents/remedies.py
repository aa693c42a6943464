"""What to do about each cause, in one or two sentences; the runbook has the rest."""

from typing import Final

from schemas.incidents import Cause

REMEDIES: Final[dict[Cause, str]] = {
    "system_failure": "Check that the system that answers these orders is up, and its logs and "
    "service monitoring since then; consider to stop sending to it until it answers.",
    "network": "Check the connection to it: latency, packet loss, proxies and gateways on the "
    "way; switch to a second path if there is one.",
    "data_error": "Look at the validation errors and dead letters for the field that is wrong, "
    "and tell the sender what a right value is.",
    "permission": "Check credentials, certificates and permissions for expiry and changes, and "
    "the audit log since then.",
    "integration": "Compare an order id as sent with the one that came back, and the interface "
    "configuration and latest releases of both sides; send a test payment.",
    "isolated": "Look at the single order: its trace, then its provider's own record of it.",
    "monitor": "Returnwatch itself was behind: check its workers and their lag. Nothing is known "
    "of orders due in this span until it has caught up.",
}


def runbook_of(cause: Cause) -> str:
    """Where the runbook stands in the project."""
    return f"docs/causes/{cause}.md"
