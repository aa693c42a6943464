"""Finds faults in the newest seconds, and follows those that were found.

A fault is opened where a kind of sign is far likelier raised than usual; after that its scope and
causes are looked at again while signs come in.
"""

from typing import Final

from schemas.incidents import RankedCause
from schemas.incidents import Scope as ScopeValue
from streams.core.incidents.baseline import Baseline
from streams.core.incidents.causes import Case, rank
from streams.core.incidents.families import BY_PROVIDER, FAMILIES, may_show
from streams.core.incidents.fault import Fault
from streams.core.incidents.kinship import is_one
from streams.core.incidents.scan import Counts, Found, covers, is_covered, nats_of, scan, shared
from streams.core.incidents.sight import EXPECTED_SIGNS, counts_of, silence, usual_of
from streams.core.incidents.signs import (
    ANSWERED,
    COUNT,
    DEAD_BACK,
    DEAD_SENT,
    HELD,
    NETWORK,
    SLOW,
    Signs,
    Table,
    put,
    total,
)
from streams.core.incidents.window import Seen, Window

# Chosen on seeds 0 to 9,999 of tests.bench.causes, never on those that are reported.
OPEN_NATS: Final = 18.0
SIGNS_MIN: Final = 3
SILENCE_NATS_ALONE: Final = 8.0  # With so much, one order that timed out is enough.
ACTIVE_NATS: Final = 4.0  # Above it a sign keeps an incident open.
MOVE_NATS: Final = 3.0  # What another scope has to explain better than the one told,
MOVE_TIMES: Final = 1.05  # and so many times better.
RESCAN_S: Final = 120
FRESH_S: Final = 30  # So long causes are ranked each second, then each tenth.
SPECIFIC: Final = ("permission", "network", "data", "unreadable")  # Say more than `lost`.
FAULTS_MAX: Final = 100
NEW_A_SECOND_MAX: Final = 4
CHANGE_PERMILLE: Final = 600  # What another cause needs to be told instead of the first one.


class Detective:
    """Looks at one second; holds nothing of its own."""

    def __init__(self, window: Window, baseline: Baseline, faults: list[Fault]) -> None:
        self._window = window
        self._baseline = baseline
        self._faults = faults

    def opened(self, seen: Seen) -> list[Fault]:
        """The faults that this second shows, already among the others."""
        opened: list[Fault] = []
        for _ in range(NEW_A_SECOND_MAX):
            best = self._best(seen)
            if best is None or len(self._faults) >= FAULTS_MAX:
                break
            found, family = best
            if self._belongs(found, family):
                break
            fault = self._fault(found, family, seen)
            self._faults.append(fault)
            opened.append(fault)
        return opened

    def follow(self, fault: Fault, seen: Seen) -> None:
        """Note whether it goes on, and look again where it is and what it may be."""
        if not self._is_active(fault, seen):
            return
        fault.last_sign_s, fault.answered_since_sign = seen.second_s, 0
        age_s = seen.second_s - fault.opened_s
        if age_s <= RESCAN_S:
            self._move(fault)
        if age_s <= FRESH_S or age_s % 10 == 0:
            self._rank_again(fault)

    # Finding.

    def _best(self, seen: Seen) -> tuple[Found, str] | None:
        known = [fault.scope for fault in self._faults]
        now = [signs for scope, signs in seen.leaves if not is_covered(known, scope)]
        sums = total(now)
        best: tuple[Found, str] | None = None
        for family, share in FAMILIES.items():
            if not may_show(family, sums) or not any(share(signs)[0] for signs in now):
                continue
            missing = silence(self._window, self._baseline) if family == "lost" else {}
            found = scan(self._counts(self._window.recent, family), missing)
            if found is None or not _is_enough(found, missing.get(found.scope, 0.0)):
                continue
            if best is None or found.nats > best[0].nats:
                best = found, family
        if best is not None and is_covered(known, best[0].scope):
            return None
        return best

    def _counts(self, table: Table, family: str, besides: Fault | None = None) -> Counts:
        others = [fault.scope for fault in self._faults if fault is not besides]
        return counts_of(table, family, self._baseline, explained=others)

    def _belongs(self, found: Found, family: str) -> bool:
        """Whether it is a part of what is open already; that is widened where it has to be."""
        for fault in self._faults:
            is_near = covers(fault.scope, found.scope) or covers(found.scope, fault.scope)
            if family in BY_PROVIDER and self._is_echo(fault, found):
                return True
            if is_near and (family in BY_PROVIDER or fault.family in BY_PROVIDER):
                return True
            counts = self._counts(fault.table, family, fault)
            if self._shows(fault, found) and is_one(counts, fault.scope, found.scope):
                fault.scope = shared(fault.scope, found.scope)
                return True
        return False

    def _is_echo(self, fault: Fault, found: Found) -> bool:
        """Whether returns fit no order because their submissions could not be read."""
        provider = found.scope[0]
        dead = sum(signs[DEAD_SENT] for at, signs in fault.table.items() if at[0] == provider)
        return dead > 0 and fault.scope[0] in (None, provider)

    def _shows(self, fault: Fault, found: Found) -> bool:
        """Whether the sign that a fault was noticed by is raised outside of it, too."""
        if fault.family == "lost":
            return True
        counts = self._counts(fault.table, fault.family, fault)
        outside = {at: it for at, it in counts.items() if not covers(fault.scope, at)}
        return nats_of(outside, found.scope) > ACTIVE_NATS

    def _fault(self, found: Found, family: str, seen: Seen) -> Fault:
        share = FAMILIES[family]
        first_s = seen.second_s
        for earlier in reversed(self._window.seconds):
            if seen.second_s - earlier.second_s >= 20:
                break
            for at, signs in earlier.leaves:
                if covers(found.scope, at) and share(signs)[0]:
                    first_s = earlier.second_s
        scope = found.scope
        fault = Fault(seen.second_s, first_s, family, scope, scope, seen.second_s)
        for earlier in self._window.since(first_s):
            for row, (at, signs) in zip(earlier.rows, earlier.leaves, strict=True):
                fault.take(row, at, signs)
        self._look_back(fault, first_s)
        fault.causes = rank(self._case(fault))
        return fault

    def _look_back(self, fault: Fault, first_s: int) -> None:
        """When it began: with the first sign of any kind, or the last answer before it."""
        inside = {at: signs[:] for at, signs in self._window.recent.items()}
        for seen in self._window.seconds:
            for scope, signs in seen.leaves:
                put(inside, scope, signs)
        mine = {at: signs for at, signs in inside.items() if covers(fault.scope, at)}
        sums, usual = total(mine.values()), usual_of(mine, self._baseline)
        begins = [first_s]
        begins += [
            self._window.began(fault.scope, sign, before_s=first_s)
            for sign in (*EXPECTED_SIGNS, SLOW)
            if sums[sign] >= SIGNS_MIN and sums[sign] > 3 * usual[sign]
        ]
        silent = self._window.silent(fault.scope)
        if fault.family == "lost" and silent.orders >= SIGNS_MIN:
            begins.append(silent.since_s)
        fault.since_s = min(begins)
        for seen in self._window.since(fault.since_s):
            if seen.second_s < first_s:
                for scope, signs in seen.leaves:
                    put(fault.early, scope, signs)

    # Following.

    def _is_active(self, fault: Fault, seen: Seen) -> bool:
        now = [signs for scope, signs in seen.leaves if covers(fault.scope, scope)]
        sums = total(now)
        shown = [family for family, share in FAMILIES.items() if share(sums)[0]]
        if not shown:
            return False
        recent = self._window.recent
        inside = {at: signs for at, signs in recent.items() if covers(fault.scope, at)}
        return any(self._nats(inside, family) > ACTIVE_NATS for family in shown)

    def _nats(self, table: Table, family: str) -> float:
        return nats_of(counts_of(table, family, self._baseline), (None, None, None))

    def _move(self, fault: Fault) -> None:
        """To the scope that explains most, if it does so by far."""
        family, nats = "lost", 0.0
        sums = total(fault.table.values())
        for name in SPECIFIC:
            if not may_show(name, sums):
                continue
            own = nats_of(self._counts(fault.table, name, fault), fault.scope)
            if own > max(ACTIVE_NATS, nats):
                family, nats = name, own
        counts = self._counts(fault.table, family, fault)
        best = scan(counts, near=fault.scope)
        if best is None or best.count < SIGNS_MIN:
            return
        if fault.family in BY_PROVIDER and not covers(fault.scope, best.scope):
            return  # Orders that time out elsewhere, too, do so for a reason of their own.
        mine = Found(fault.scope, nats_of(counts, fault.scope), 0, 0)
        if mine.nats and best.worth > MOVE_TIMES * mine.worth + MOVE_NATS:
            fault.scope = best.scope

    def _rank_again(self, fault: Fault) -> None:
        ranked = rank(self._case(fault))
        first, now = fault.causes[0].cause, ranked[0]
        if now.cause == first or self._may_change(fault, now):
            fault.causes = ranked

    def _may_change(self, fault: Fault, now: RankedCause) -> bool:
        if fault.causes[0].cause == "system_failure" and now.cause == "network":
            codes = total(fault.inside(early=True).values())[NETWORK]
            return codes >= SIGNS_MIN and now.share_permille >= CHANGE_PERMILLE
        return now.share_permille >= CHANGE_PERMILLE

    def _case(self, fault: Fault) -> Case:
        inside = fault.inside(early=True)
        signs = total(inside.values())
        usual = usual_of(inside, self._baseline)
        self._add_held(fault, signs)
        silent = self._window.silent(fault.scope)
        if silent.orders > fault.silent[1]:
            fault.silent = silent.seconds, silent.orders, silent.before_per_s
        seconds, orders, before_per_s = fault.silent
        return Case(
            signs=signs,
            usual=usual,
            silent_s=seconds,
            silent_orders=orders,
            before_per_s=before_per_s,
            unreadable_permille=_unreadable(fault),
            where=str(ScopeValue(*fault.scope)),
        )

    def _add_held(self, fault: Fault, signs: Signs) -> None:
        """Of returns that fit no order only the provider is known, or not even that."""
        for scope in ((fault.scope[0], None, None), (None, None, None)):
            if not covers(fault.scope, scope) and fault.scope[0] is not None:
                for table in (fault.table, fault.early):
                    signs[HELD] += table.get(scope, [0] * COUNT)[HELD]


def _unreadable(fault: Fault) -> int:
    """Which permille of the returns of its provider, or of all, cannot be read; all count as such
    where it concerns whatever the provider returns."""
    provider = (fault.scope[0], None, None)
    if fault.scope == provider:
        return 1000
    sums = total(signs for at, signs in fault.table.items() if covers(provider, at))
    return sums[DEAD_BACK] * 1000 // max(1, sums[DEAD_BACK] + sums[ANSWERED])


def _is_enough(found: Found, silence: float) -> bool:
    if found.nats < OPEN_NATS:
        return False
    if found.count >= SIGNS_MIN:
        return True
    return silence >= SILENCE_NATS_ALONE or (found.count > 1 and silence >= SILENCE_NATS_ALONE / 2)
