"""A database in a temporary file: what is compared may be more than memory should hold."""

import sqlite3
from pathlib import Path


def open_scratch(path: Path, tables: str) -> sqlite3.Connection:
    """A new SQLite file with these tables, quick because it does not outlive us."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA journal_mode = OFF")
    database.executescript(tables)
    return database
