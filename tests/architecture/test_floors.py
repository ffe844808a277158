"""Imports point down only, and rooms on one floor do not know each other."""

import pytest
from imports import SOURCE, Import, all_imports, imports_of

FLOORS = {
    "core": 0,
    "environments": 1,
    "policies": 1,
    "objectives": 1,
    "sampling": 2,
    "estimators": 3,
    "models": 3,
    "exact": 3,
    "planning": 4,
    "conformance": 4,
    "diagnostics": 4,
    "search": 5,
    "training": 6,
    "report": 7,
    "plots": 7,
    "optimization": 7,
    "cli": 8,
}

# Annotations may name what flows down from a floor above, and nothing else does: the objective is
# asked about trajectories, which the samplers above it make. Nothing is imported at run time.
TYPES_THAT_LOOK_UP = {("upslope.objectives.objective", "upslope.sampling.records")}


def fault(found: Import) -> str | None:
    """What is wrong with one import, None if nothing is."""
    here, there = found.importer.split("."), found.imported.split(".")
    if here == ["upslope"]:
        return None  # the facade names everything, and loads nothing before it is used
    where = f"{found.importer}:{found.line} imports {found.imported}"
    if len(there) < 2 or there[1] not in FLOORS:
        return f"{where}: the top level is the users' facade, the library does not use it"
    room, other = here[1], there[1]
    if room == other or FLOORS[other] < FLOORS[room]:
        return None
    if found.for_types and (found.importer, found.imported) in TYPES_THAT_LOOK_UP:
        return None
    if FLOORS[other] == FLOORS[room]:
        return f"{where}: rooms on one floor do not know each other"
    return f"{where}: that is up, from floor {FLOORS[room]} to floor {FLOORS[other]}"


def faults(imports: list[Import]) -> list[str]:
    """What is wrong with these imports."""
    return [text for found in imports if (text := fault(found)) is not None]


def test_every_package_has_its_floor():
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert packages <= FLOORS.keys(), "name the floor of the new package here and in the design"
    assert {path.stem for path in SOURCE.glob("*.py")} <= {"__init__", "__main__"}


def test_imports_point_down():
    found = faults(all_imports())
    assert not found, "\n".join(found)


def test_every_exception_is_still_needed():
    seen = {(i.importer, i.imported) for i in all_imports() if i.for_types}
    assert seen >= TYPES_THAT_LOOK_UP


@pytest.mark.parametrize(
    ("importer", "source", "reason"),
    [
        ("upslope.core.tree", "from upslope.search import METHODS", "up"),
        ("upslope.search.ppo", "def f():\n    import upslope.training.loop", "up"),
        ("upslope.policies.policy", "from upslope.environments import make", "one floor"),
        ("upslope.sampling.records", "from ..search import METHODS", "up"),
        ("upslope.search.ppo", "from upslope import training", "up"),
        ("upslope.search.ppo", "from upslope import train", "facade"),
        ("upslope.search.ppo", "import upslope", "facade"),
        (
            "upslope.objectives.objective",
            "from upslope.sampling.records import Trajectories",
            "up",
        ),
        (
            "upslope.core.tree",
            "if TYPE_CHECKING:\n    from upslope.policies.policy import Policy",
            "up",
        ),
    ],
)
def test_the_reader_sees(importer, source, reason):
    (found,) = faults(list(imports_of(source, importer)))
    assert reason in found


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("upslope.search.ppo", "from upslope.policies.policy import Policy"),
        ("upslope.search.ppo", "from .minibatches import minibatches"),
        ("upslope.training.loop", "def f():\n    from upslope.core import tree"),
        ("upslope.core.tree", "import numpy as np"),
        (
            "upslope.objectives.objective",
            "if TYPE_CHECKING:\n    from upslope.sampling.records import Trajectories",
        ),
    ],
)
def test_the_reader_spares(importer, source):
    assert not faults(list(imports_of(source, importer)))
