"""The batch transport for Faust: bytes and offsets, one message per fetched partition batch."""
