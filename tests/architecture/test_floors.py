"""Imports point down only, and rooms on one floor do not know each other."""

import pytest
from imports import SOURCE, Import, all_imports, imports_of

FLOORS = {
    "core": 0,
    "storage": 1,
    "pages": 1,
    "environments": 2,
    "policies": 2,
    "objectives": 2,
    "sampling": 3,
    "drawing": 3,
    "estimators": 4,
    "models": 4,
    "exact": 4,
    "planning": 5,
    "diagnostics": 5,
    "testing": 5,
    "search": 6,
    "engine": 7,
    "training": 8,
    "comparison": 9,
    "exporting": 9,
    "optimization": 9,
    "tuning": 9,
    "plots": 10,
    "cli": 11,
}


def fault(found: Import) -> str | None:
    """What is wrong with one import, None if nothing is."""
    here, there = found.importer.split("."), found.imported.split(".")
    if here == ["upslope"]:
        return None  # the facade names everything, and loads nothing before it is used
    if here == ["upslope", "__main__"]:
        return None  # the command itself: nobody imports it
    where = f"{found.importer}:{found.line} imports {found.imported}"
    if len(there) < 2 or there[1] not in FLOORS:
        return f"{where}: the top level is the users' facade, the library does not use it"
    room, other = here[1], there[1]
    if room == other or FLOORS[other] < FLOORS[room]:
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


@pytest.mark.parametrize(
    ("importer", "source", "reason"),
    [
        ("upslope.core.tree", "from upslope.search import METHODS", "up"),
        ("upslope.search.gradient.ppo", "def f():\n    import upslope.engine.loop", "up"),
        ("upslope.policies.policy", "from upslope.environments import make", "one floor"),
        ("upslope.core.records", "from ..search import METHODS", "up"),
        ("upslope.search.gradient.ppo", "from upslope import training", "up"),
        ("upslope.search.gradient.ppo", "from upslope import train", "facade"),
        ("upslope.search.gradient.ppo", "import upslope", "facade"),
        ("upslope.core.records", "from upslope.sampling import Steps", "up"),
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
        ("upslope.search.gradient.ppo", "from upslope.policies.policy import Policy"),
        ("upslope.search.gradient.ppo", "from .minibatches import minibatches"),
        ("upslope.engine.loop", "def f():\n    from upslope.core import tree"),
        ("upslope.core.tree", "import numpy as np"),
        ("upslope.objectives.objective", "from upslope.core.records import Trajectories"),
    ],
)
def test_the_reader_spares(importer, source):
    assert not faults(list(imports_of(source, importer)))
