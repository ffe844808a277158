"""Compiled programs that searches of one process share: what differs in numbers is compiled once.

Hyper-parameters, the numbers of an environment and the seed are arguments of the compiled programs.
A second search with another learning rate, seed or budget, a resumed one, or the next trial of a
tuning has the same programs as the first, and finds them here instead of tracing and compiling
them again. Only what is made of Upslope and the libraries below it is shared: a class or a function
of the user's own may be changed while the process lives, as in a notebook, and is always traced
anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import jax
from jax.tree_util import PyTreeDef

from upslope.core.annotations import PyTree

# Searches whose programs are kept, the latest ones.
MOST = 8
# Packages whose code does not change while a process lives.
LIBRARIES = frozenset(
    {"builtins", "equinox", "functools", "gymnasium", "jax", "jaxlib", "numpy", "optax", "upslope"}
)
# What changes the meaning of a program besides its arguments.
SWITCHES = (
    "jax_enable_x64",
    "jax_numpy_rank_promotion",
    "jax_numpy_dtype_promotion",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_debug_nans",
    "jax_debug_infs",
    "jax_disable_jit",
)
# Static values may hold others, so deep.
DEEPEST = 8


class KeptPrograms:
    """The latest programs, by what decides them; safe to use from several threads."""

    def __init__(self, most: int = MOST):
        self._most = most
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable | None) -> Any | None:
        """What was put by that key; None where nothing is kept, or for no key."""
        with self._lock:
            if key is None or key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def put(self, key: Hashable | None, programs: object) -> None:
        """Keeps programs, and lets the oldest go; nothing is kept without a key."""
        if key is None:
            return
        with self._lock:
            self._kept[key] = programs
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Lets all go."""
        with self._lock:
            self._kept.clear()


SEARCHES = KeptPrograms()
EVALUATIONS = KeptPrograms(2 * MOST)


def clear() -> None:
    """Lets all shared programs go."""
    SEARCHES.clear()
    EVALUATIONS.clear()


def key_of(arguments: PyTree, *others: Hashable) -> Hashable | None:
    """What decides a program: the structure of its arguments, their shapes, and other facts.

    Args:
      arguments: a tree of what the program is called with, arrays or their shapes.
      others: whatever else the program was made from, compared by value.

    Returns:
      None where code of the user's own is part of it, or something that cannot be compared.
    """
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple(
        (jax.numpy.shape(leaf), str(jax.dtypes.result_type(leaf)), weakly_typed(leaf))
        for leaf in leaves
    )
    switches = tuple(repr(getattr(jax.config, name, None)) for name in SWITCHES)
    key = (structure, shapes, others, switches)
    try:
        hash(key)
    except TypeError:
        return None
    return key if of_libraries(structure) and all(map(is_fixed, others)) else None


def weakly_typed(leaf: object) -> bool:
    """Whether a number gives way to the types of others, as Python's do."""
    return bool(getattr(leaf, "weak_type", isinstance(leaf, int | float | complex)))


def of_libraries(structure: PyTreeDef) -> bool:
    """Whether all classes and static values of a tree are those of `LIBRARIES`."""
    node = structure.node_data()
    if node is None:
        return True
    kind, static = node
    return is_fixed(kind) and is_fixed(static) and all(map(of_libraries, structure.children()))


def is_fixed(value: object, depth: int = 0) -> bool:
    """Whether nothing that a value is made of is code of the user's own."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return True
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        return all(is_fixed(part, depth + 1) for pair in value.items() for part in pair)
    if isinstance(value, tuple | list | set | frozenset) and package_of(type(value)) in LIBRARIES:
        return all(is_fixed(part, depth + 1) for part in value)
    if isinstance(value, type) or callable(value):
        parts = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        parts += [getattr(value, name, None) for name in ("__wrapped__", "func", "args")]
        return package_of(value) in LIBRARIES and all(is_fixed(part, depth + 1) for part in parts)
    return package_of(type(value)) in LIBRARIES and all(
        is_fixed(part, depth + 1) for part in getattr(value, "__dict__", {}).values()
    )


def package_of(value: object) -> str:
    """The package that a class or a function is defined in; its type's where it does not say."""
    module = getattr(value, "__module__", None) or type(value).__module__
    return str(module).partition(".")[0]
