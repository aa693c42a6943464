"""The state of a partition outside the process: checkpoints, the changelog, takeover, restore."""
