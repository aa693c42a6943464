"""Returnwatch: watches orders on Kafka and tells which of them never got their result."""
