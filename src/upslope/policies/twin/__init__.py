"""Policies without JAX: NumPy alone, for simulators, workers and `predict`.

The modules of this package import NumPy and each other by relative imports, nothing else.
"""
