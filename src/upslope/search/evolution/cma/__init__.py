"""Covariance matrix adaptation."""
