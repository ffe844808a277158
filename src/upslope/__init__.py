"""Upslope: policy search in JAX."""
