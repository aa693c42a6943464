"""From counts to incidents: one owner reads order-stats and writes order-incidents, once each."""
