"""Deterministic simulation: real workers on a virtual clock and an in-memory Kafka."""
