"""Names of the trees of arrays that signatures speak of.

JAX has no type for pytrees: a checker can follow neither their structure nor their leaves. These
names say what a tree is instead, and the docstring at its origin says its shape. Where a tree goes
in and comes out with the same structure, a TypeVar says so; where its class is known, the class.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from jax import Array

# Arrays in nested tuples, lists, dictionaries, NamedTuples and Equinox modules; one array is a
# tree, and so is None or (), which have no leaves.
PyTree: TypeAlias = Any

# What an environment shows: one array, or a dictionary or tuple of them as its observation space
# says. Batched where the docstring says so. NumPy arrays in the twins of policies.
Observation: TypeAlias = Any

# What an actor does: one array, or a tuple of them as the action space says.
Action: TypeAlias = Any

# What an actor or a critic carries from one step to the next; () where it carries nothing.
Memory: TypeAlias = Any

# What an actor notes of a step for the search method: log-probability, visit counts; () for none.
Extras: TypeAlias = Any

# The randomness of one step of an actor: what its `noise` drew from a key.
Noise: TypeAlias = Any

# What an environment carries from one step to the next: its own class or tree of arrays.
EnvironmentState: TypeAlias = Any

# A key of `jax.random`, of the new type or of two uint32 words; used once.
Key: TypeAlias = Array
