"""The topics as evidence: what was read and decided, looked at without disturbing the worker."""
