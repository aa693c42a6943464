"""The web port: is it alive, is it ready, and its metrics for Prometheus."""
