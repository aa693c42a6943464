"""Subscribers to the alerts, to copy from; docs/subscribe.md says what each promises."""
