"""Properties: the core against a naive model of the verdicts, over generated logs and crashes."""
