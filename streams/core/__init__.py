"""The pure centre: what the log proves, decided without a clock, I/O or logging."""
