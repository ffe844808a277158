"""Policies without a gradient: rules, decision trees, finite-state controllers, open-loop gaits."""
