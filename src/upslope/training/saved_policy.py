"""Saved policies, whatever acts in them: networks, tables, planners in a fitted model."""

from __future__ import annotations

from pathlib import Path

# Importing these packages registers the classes that a file may name.
from upslope import environments, models, objectives, planning, policies
from upslope.storage import policy_artifact
from upslope.storage.policy_artifact import LoadedPolicy

PACKAGES = (environments, models, objectives, planning, policies)


def load_policy(path: Path) -> LoadedPolicy:
    """`storage.policy_artifact.load_policy`, which knows the classes of every package.

    Raises:
      StorageError: see there.
    """
    return policy_artifact.load_policy(path)
