"""What runs in a simulator process: it steps its simulators when told and says when it is done.

It imports numpy and Gymnasium, never JAX: it starts quickly and may not disturb an accelerator.
Relative imports keep it so, because the package is not imported by its public name here.
"""

from __future__ import annotations

import functools
import json
import mmap
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

# The program of a simulator process. The packages above this module are put in place without
# running their __init__ files.
BOOTSTRAP = """
import sys, types
root = sys.argv[1]
for name, path in (
    ("_upslope", root),
    ("_upslope.core", root + "/core"),
    ("_upslope.environments", root + "/environments"),
    ("_upslope.environments.adaptors", root + "/environments/adaptors"),
    ("_upslope.sampling", root + "/sampling"),
    ("_upslope.sampling.simulators", root + "/sampling/simulators"),
):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from _upslope.sampling.simulators.simulator_process import serve
serve(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
"""

# A command is one of these letters and its number; an answer is the number and, where the command
# failed, a report. So an answer to a command that nobody waits for any more is told apart.
STEP_ALL, MODULES, CLOSE = b"s", b"m", b"c"
NUMBER_BYTES = 8


def numbered(number: int) -> bytes:
    """A command's number as it travels."""
    return number.to_bytes(NUMBER_BYTES, "little")


def serve(pipe: int, memory: int, parent: int) -> None:
    """Obeys the commands that come through a pipe until it is closed.

    Args:
      pipe: file descriptor of the pipe to the parent.
      memory: file descriptor of the shared buffer.
      parent: process id; when that process is gone, so is this one.
    """
    # Ctrl-C and a closed terminal are the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.dup2(2, 1)  # what a simulator prints must not mix with the parent's output
    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    connection = Connection(pipe)
    simulators: Any = None

    def step() -> dict[str, Any]:
        known = len(simulators.remarks)
        simulators.step_all()
        return {"remarks": simulators.remarks[known:], "infos": simulators.take_infos()}

    try:
        task, factory = json.loads(connection.recv_bytes()), connection.recv_bytes()
        simulators = attempt(connection, numbered(0), lambda: start(task, factory, memory))
        while True:
            message = connection.recv_bytes()
            command, number = message[:1], message[1:]
            if command == STEP_ALL and simulators is not None:
                attempt(connection, number, step)
            elif command == MODULES:
                connection.send_bytes(number + json.dumps(sorted(sys.modules)).encode())
            else:
                break
    except (EOFError, OSError):
        pass
    if simulators is not None:
        simulators.close()


def die_with(parent: int) -> None:
    """Ends this process when its parent has gone, even if a simulator hangs."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def attempt(connection: Connection, number: bytes, call: Callable[[], Any]) -> Any:
    """Runs a command and answers with its number that it is done, or what it raised.

    What the command returns as a dictionary of lists goes with the answer, where there is any.
    """
    from ...core.checks import EnvironmentContractError
    from .simulators import SimulatorRaised

    try:
        result = call()
    except CannotUnpack as error:
        report = {"kind": "unpacking", "message": str(error)}
    except SimulatorRaised as error:
        report = {"kind": "raised", "message": str(error)}
    except EnvironmentContractError as error:
        report = {"kind": "contract", "message": str(error)}
    except Exception as error:
        report = {"kind": "raised", "message": f"{type(error).__name__}: {error}"}
    else:
        told = isinstance(result, dict) and any(result.values())
        seen = {"kind": "done", **result} if told else None
        connection.send_bytes(number + (json.dumps(seen).encode() if seen else b""))
        return result
    connection.send_bytes(number + json.dumps(report).encode())
    return None


class CannotUnpack(Exception):
    """What builds the simulators did not survive the journey to this process."""


def start(task: dict[str, Any], factory: bytes, memory: int) -> Any:
    """Builds the simulators of a task on their rows of the shared buffer."""
    sys.path[:] = task["path"]
    warnings.simplefilter("ignore")  # the parent has built one simulator and shown them
    from .simulators import Simulators
    from .step_buffer import BufferLayout

    layout = BufferLayout.of_plain(task["layout"])
    buffer = layout.buffer(mmap.mmap(memory, max(layout.size(), 1)))
    first, last = task["rows"]
    return Simulators(
        unpacked(factory),
        buffer.rows(first, last),
        name=task["name"],
        autoreset=task["autoreset"],
        limit=task["limit"],
        first=first,
    )


def unpacked(parcel: bytes) -> Callable[[], Any]:
    """The function that builds one simulator, from what the parent packed.

    Raises:
      CannotUnpack: a module that it needs is not found here, or an object cannot be made again.
    """
    import cloudpickle

    try:
        parts = cloudpickle.loads(parcel)
    except Exception as error:
        raise CannotUnpack(f"{type(error).__name__}: {error}") from error
    import gymnasium

    for id, spec in parts["registered"].items():
        gymnasium.registry.setdefault(id, spec)
    spec, factory, kwargs = parts["spec"], parts["factory"], parts["kwargs"]

    def bare() -> Any:
        return factory() if spec is None else gymnasium.make(spec, **kwargs)

    wrappers: list[Callable[[Any], Any]] = []
    if parts["atari"] is not None:
        from ...environments.adaptors.atari import AtariFrames, hush_emulator

        hush_emulator()
        wrappers.append(AtariFrames(**parts["atari"]).wrap)
    if parts["action_mask"]:
        from ...environments.adaptors.action_mask import ActionMaskObservation

        wrappers.append(ActionMaskObservation)
    return lambda: functools.reduce(lambda env, wrap: wrap(env), wrappers, bare())
