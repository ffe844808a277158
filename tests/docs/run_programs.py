"""Run the programs that standard input asks for, one a line, and answer each with a line.

Every program has a main module and a working directory of its own, and finds the settings of JAX
and of warnings as the first one did. What it registers stays.
"""

import contextlib
import gc
import importlib
import io
import json
import linecache
import os
import sys
import traceback
import types
import warnings
from pathlib import Path

import jax


def outcome(program: str, folder: str, name: str) -> dict[str, str]:
    """What a program printed, and its traceback or nothing."""
    ours, double = sys.modules["__main__"], jax.config.jax_enable_x64
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    linecache.cache[name] = len(program), None, program.splitlines(keepends=True), name
    printed, error = io.StringIO(), ""
    os.chdir(folder)
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        try:
            exec(compile(program, name, "exec"), module.__dict__)
        except BaseException:
            error = traceback.format_exc()
    sys.modules["__main__"] = ours
    jax.config.update("jax_enable_x64", double)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return {"output": printed.getvalue(), "error": error}


def share_contexts() -> None:
    """As in the tests; their folder is not on the path of the programs."""
    sys.path[0] = str(Path(__file__).parents[1])
    lowering_contexts = importlib.import_module("lowering_contexts")
    lowering_contexts.share_contexts()
    sys.path[0] = ""


if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 20)  # as in the tests
    share_contexts()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what programs of programs print is no answer
    for line in sys.stdin:
        print(json.dumps(outcome(**json.loads(line))), file=answers, flush=True)
