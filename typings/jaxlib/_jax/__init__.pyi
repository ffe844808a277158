"""Compiled, and shipped without types: whatever is not named here is `Any`.

The classes are those that stand in the signatures of JAX's public functions.
"""

from typing import Any

class Device: ...

def __getattr__(name: str) -> Any: ...
