"""What Returnwatch is measured beside: the same watch on other engines, each a program of its own.

Each takes `name=value` arguments, prints `reading` when its first record comes in, and runs until
SIGTERM. Flink also prints `committed N` with each checkpoint; the others' groups tell. All of them
do less than Returnwatch: no dead letters, no memory of closed orders, no late, unmatched or
conflicting returns, no proof of absence.
"""
