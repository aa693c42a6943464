"""What the demo needs besides the real worker: an embedded broker and simulated order traffic."""
