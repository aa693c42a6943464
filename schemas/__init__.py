"""The wire contract of Returnwatch: every record in and out, and the codec for them."""
