"""PureJaxRL's ppo.py, unmodified, on gymnax's CartPole-v1: steady steps per second of one seed.

Only the imports that its wrappers need for other environments (navix, brax) are stubbed.
"""

import argparse
import sys
import time
import types
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source", required=True, help="folder with PureJaxRL's ppo.py, wrappers.py")
parser.add_argument("--timesteps", type=int, default=500_000)
parser.add_argument("--repeats", type=int, help="run so often; without it, once a line of stdin")
arguments = parser.parse_args()

stubs = ("navix", "brax", "brax.envs", "brax.envs.wrappers", "brax.envs.wrappers.training")
for name in stubs:
    sys.modules[name] = types.ModuleType(name)
sys.modules["brax"].envs = sys.modules["brax.envs"]
training = sys.modules["brax.envs.wrappers.training"]
training.EpisodeWrapper = training.AutoResetWrapper = object
sys.path.insert(0, str(Path(arguments.source).resolve()))

import jax  # noqa: E402
import ppo  # noqa: E402
from process_clock import peak_memory_mb, process_seconds  # noqa: E402
from repeat_on_request import repeat_on_request  # noqa: E402

SETTINGS = {
    "LR": 2.5e-4,
    "NUM_ENVS": 4,
    "NUM_STEPS": 128,
    "TOTAL_TIMESTEPS": arguments.timesteps,
    "UPDATE_EPOCHS": 4,
    "NUM_MINIBATCHES": 4,
    "GAMMA": 0.99,
    "GAE_LAMBDA": 0.95,
    "CLIP_EPS": 0.2,
    "ENT_COEF": 0.01,
    "VF_COEF": 0.5,
    "MAX_GRAD_NORM": 0.5,
    "ACTIVATION": "tanh",
    "ENV_NAME": "CartPole-v1",
    "ANNEAL_LR": True,
    "DEBUG": False,
}
import_seconds = process_seconds()
start = time.perf_counter()
lowered = jax.jit(ppo.make_train(SETTINGS)).lower(jax.random.PRNGKey(0))
trace_seconds = time.perf_counter() - start
train = lowered.compile()
compile_seconds = time.perf_counter() - start - trace_seconds
repeat_on_request(
    {
        "library": "purejaxrl",
        "jax": jax.__version__,
        "seeds": 1,
        "import_seconds": import_seconds,
        "trace_seconds": trace_seconds,
        "compile_seconds": compile_seconds,
        "peak_memory_mb": peak_memory_mb(),
    },
    lambda number: jax.block_until_ready(train(jax.random.PRNGKey(number))),
    steps=arguments.timesteps // 512 * 512,
    repeats=arguments.repeats,
)
