"""The outcomes a return can have; their order is how they are numbered in packed state."""

from typing import Final

FINAL_OUTCOMES: Final = ("accepted", "rejected", "cancelled")
INTERIM_OUTCOMES: Final = ("pending", "error")
