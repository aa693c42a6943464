"""Which alerts were handled, over restarts: their ids in an SQLite file.

An id is forgotten after KEPT_DAYS. That has to be longer than alerts stay on their topic: what is
read again after that would be handled again.
"""

import sqlite3
import time
from pathlib import Path

KEPT_DAYS = 30
LOOK_EVERY = 1_000  # Ids added between two looks for old ones.


class Seen:
    """The ids of the alerts that were handled."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        with self._database:
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at_s INTEGER) WITHOUT ROWID"
            )
        self._until_look = 0

    def __contains__(self, alert_id: str) -> bool:
        row = self._database.execute("SELECT 1 FROM seen WHERE id = ?", (alert_id,)).fetchone()
        return row is not None

    def add(self, alert_id: str) -> None:
        """Remember an id; on return it is on the disk."""
        now_s = int(time.time())
        with self._database:
            row = (alert_id, now_s)
            self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row)
            self._until_look -= 1
            if self._until_look < 0:
                self._until_look = LOOK_EVERY
                too_old = (now_s - KEPT_DAYS * 86_400,)
                self._database.execute("DELETE FROM seen WHERE at_s < ?", too_old)
