"""What `models.py` runs in a process of its own: `models_process.py ensemble|linear|tabular ROWS`.

Prints one JSON line: the seconds of one fit, compilation included, and the errors found.
"""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from upslope.environments import Pendulum, garnet
from upslope.models import EnsembleModel, LinearGaussianModel, TabularModel, Transitions

STEPS = 50


def pendulum_rows(n_rows):
    """Random torques on the pendulum, in episodes of 50 steps."""
    environment, episodes = Pendulum(), n_rows // STEPS

    def episode(key):
        reset_key, action_key = jax.random.split(key)
        state, observation = environment.reset(reset_key)
        actions = jax.random.uniform(action_key, (STEPS, 1), minval=-2.0, maxval=2.0)

        def step(carry, action):
            state, observation = carry
            after, out = environment.step(action_key, state, action)
            return (after, out.observation), (observation, action, out.reward, out.observation)

        return jax.lax.scan(step, (state, observation), actions)[1]

    keys = jax.random.split(jax.random.key(0), episodes)
    columns = [np.asarray(x).reshape(-1, *x.shape[2:]) for x in jax.jit(jax.vmap(episode))(keys)]
    return as_transitions(*columns)


def linear_rows(n_rows):
    """Noisy steps of a random system of eight states and two controls."""
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(n_rows, 8)), rng.normal(size=(n_rows, 2))
    moves, push = 0.3 * rng.normal(size=(8, 8)), rng.normal(size=(8, 2))
    following = x @ moves.T + u @ push.T + 0.1 * rng.normal(size=x.shape)
    return as_transitions(x, u, -np.sum(x**2, axis=1) - np.sum(u**2, axis=1), following)


def tabular_rows(n_rows):
    """Uniform pairs of a Garnet of 500 states and 6 actions."""
    mdp = garnet(jax.random.key(0), 500, 6, 5)
    rng = np.random.default_rng(0)
    s, a = rng.integers(0, 500, n_rows), rng.integers(0, 6, n_rows)
    keys = jax.random.split(jax.random.key(1), n_rows)
    pairs = (keys, jnp.asarray(s), jnp.asarray(a))
    draw = jax.jit(lambda pairs: jax.lax.map(lambda row: mdp.step(*row)[0], pairs, batch_size=1000))
    following = np.asarray(draw(pairs))
    return as_transitions(s, a, np.asarray(mdp.reward)[s, a], following)


def as_transitions(observation, action, reward, following):
    """Rows of which none ends."""
    never = np.zeros(len(reward), bool)
    return Transitions(observation, action, reward, following, never, never, np.ones(len(reward)))


KINDS = {
    "ensemble": (EnsembleModel(), pendulum_rows),
    "linear": (LinearGaussianModel(), linear_rows),
    "tabular": (TabularModel(), tabular_rows),
}


def main():
    """Fits once."""
    kind, n_rows = sys.argv[1], int(sys.argv[2])
    model, rows = KINDS[kind]
    data = rows(n_rows)
    start = time.perf_counter()
    _, report = model.fit(jax.random.key(0), data)
    seconds = time.perf_counter() - start
    calibration = report.calibration
    print(
        json.dumps(
            {
                "fit_seconds": seconds,
                "model_error": report.model_error,
                "passes": report.epochs,
                "calibration_error": calibration and calibration.expected_calibration_error,
            }
        )
    )


if __name__ == "__main__":
    main()
