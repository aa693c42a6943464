"""Faults on a real Kafka, told as data, and an auditor that says what they did."""
