"""What every JAX world must keep, as one function that any environment can be passed to."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from upslope.environments.environment import Environment, Step


def check_environment(environment: Environment, seed: int = 0, steps: int = 40) -> None:
    """Fails unless the environment keeps the contract. It compiles three small programs.

    Args:
      environment: any.
      seed: of the actions and keys tried.
      steps: how many are tried in each of four copies, past terminations.
    """
    key = jax.random.key(seed)
    reset_keys = jax.random.split(jax.random.fold_in(key, 0), 4)
    step_keys = jax.random.split(jax.random.fold_in(key, 1), (steps, 4))
    actions = _actions(environment.action_space, seed, steps)
    check_shapes(environment, reset_keys[0], actions[0, 0])

    reset = jax.jit(lambda keys: jax.vmap(environment.reset)(keys))
    state, observation = reset(reset_keys)
    _assert_equal(reset(reset_keys), (state, observation), "reset is not a function of its key")

    rollout = jax.jit(lambda *args: _roll(environment, *args))
    states, outs = rollout(state, step_keys, actions)
    _assert_equal(rollout(state, step_keys, actions), (states, outs), "step is not a function")
    check_batched_equals_single(environment, state, step_keys, actions, outs)
    check_spaces(environment, observation, outs, actions)
    check_never_resets(environment, state, states, actions, outs)


def check_shapes(environment: Environment, key: Any, action: Any) -> None:
    """The state keeps its structure, shapes and types; nothing is weakly typed."""
    state, observation = jax.eval_shape(environment.reset, key)
    after, out = jax.eval_shape(environment.step, key, state, action)
    assert isinstance(out, Step)
    assert jax.tree.structure(state) == jax.tree.structure(after), "step changes the state's tree"
    for before, later in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        assert before.shape == later.shape, (before, later)
        assert before.dtype == later.dtype, (before, later)
        assert not before.weak_type, f"reset gives a weakly typed state: {before}"
        assert not later.weak_type, f"step gives a weakly typed state: {later}"
    seen, later = jax.tree.flatten(observation), jax.tree.flatten(out.observation)
    assert seen[1] == later[1], "step changes the observation's tree"
    for one, other in zip(seen[0], later[0], strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert not one.weak_type
        assert not other.weak_type
    if environment.observation_space.shape is not None:
        assert observation.shape == environment.observation_space.shape
    assert out.reward.shape == ()
    assert out.reward.dtype == jnp.zeros(()).dtype, "the reward is a float scalar"
    assert not out.reward.weak_type, "the reward is weakly typed"
    assert out.terminated.shape == ()
    assert out.terminated.dtype == bool
    limit = environment.time_limit
    assert limit is None or (isinstance(limit, int) and limit >= 1)


def check_batched_equals_single(
    environment: Environment, state: Any, keys: Any, actions: Any, outs: Step
) -> None:
    """Copy 1 of the batch, alone and not compiled together with the others, sees the same."""
    single = jax.jit(lambda *args: _roll(environment, *args, batched=False))
    _, alone = single(jax.tree.map(lambda leaf: leaf[1], state), keys[:8, 1], actions[:8, 1])
    for one, many in zip(jax.tree.leaves(alone), jax.tree.leaves(outs), strict=True):
        np.testing.assert_allclose(one, many[:8, 1], rtol=2e-4, atol=2e-5)


def check_spaces(environment: Environment, first: Any, outs: Step, actions: Any) -> None:
    """The spaces contain what is emitted up to the end of each episode, and the actions."""
    space = environment.observation_space
    ended = np.cumsum(np.asarray(outs.terminated), axis=0) - np.asarray(outs.terminated)
    emitted = [jax.tree.map(lambda leaf, n=n: np.asarray(leaf)[n], first) for n in range(4)]
    for t, n in zip(*np.nonzero(ended == 0), strict=True):
        emitted.append(jax.tree.map(lambda leaf, at=(t, n): np.asarray(leaf)[at], outs.observation))
    for observation in emitted:
        assert space.contains(_as_in(space, observation)), (observation, space)
    taken = np.asarray(actions[0, 0]).astype(environment.action_space.dtype)
    assert environment.action_space.contains(taken)
    assert np.isfinite(np.asarray(outs.reward)).all()


def check_never_resets(
    environment: Environment, first: Any, states: Any, actions: Any, outs: Step
) -> None:
    """A terminating step shows where the process ended, not where the next one would start.

    A jump to a fixed start is seen in the state; a jump to a random one in that the terminating
    step depends on its key where the steps before did not.
    """
    step = jax.jit(jax.vmap(environment.step, in_axes=(0, None, None)))
    reset = jax.jit(lambda key: environment.reset(key))
    keys = jax.random.split(jax.random.key(11), 4)
    start, _ = reset(keys[0])
    fixed = _same(start, reset(keys[1])[0])
    ended = np.asarray(outs.terminated)
    for copy in np.flatnonzero(ended.any(axis=0)):
        t = int(np.argmax(ended[:, copy]))
        before = jax.tree.map(
            lambda all, now, t=t, copy=copy: all[t - 1, copy] if t else now[copy], states, first
        )
        after = jax.tree.map(lambda leaf, t=t, copy=copy: leaf[t, copy], states)
        if fixed:
            assert _same(before, after) or not _same(after, start), "step resets itself"
        else:
            initially = jax.tree.map(lambda leaf, copy=copy: leaf[copy], first)
            noisy = _varies(step(keys, initially, actions[0, copy])[0]) if t else False
            assert noisy or not _varies(step(keys, before, actions[t, copy])), "step resets itself"


def check_randomness(environment: Environment, starts: bool, steps: bool) -> None:
    """Keys matter where the world is random, and only there.

    Args:
      environment: any.
      starts: whether two episodes start differently.
      steps: whether a step is random.
    """
    keys = jax.random.split(jax.random.key(7), 16)
    states, observations = jax.jit(jax.vmap(environment.reset))(keys)
    assert _varies((states, observations)) is starts
    state = jax.tree.map(lambda leaf: leaf[0], states)
    action = _actions(environment.action_space, 3, 1)[0, 0]
    after = jax.jit(jax.vmap(environment.step, in_axes=(0, None, None)))(keys, state, action)
    assert _varies(after) is steps


def _roll(
    environment: Environment, state: Any, keys: Any, actions: Any, batched: bool = True
) -> tuple[Any, Step]:
    step = jax.vmap(environment.step) if batched else environment.step

    def body(state: Any, inputs: Any) -> tuple[Any, Any]:
        after, out = step(inputs[0], state, inputs[1])
        return after, (after, out)

    return jax.lax.scan(body, state, (keys, actions))[1]


def _actions(space: spaces.Space, seed: int, steps: int) -> jax.Array:
    space.seed(seed)
    return jnp.asarray([[space.sample() for _ in range(4)] for _ in range(steps)])


def _as_in(space: spaces.Space, observation: Any) -> Any:
    """An observation as its Gymnasium space wants it: dictionaries, and the space's types."""
    if isinstance(space, spaces.Dict):
        parts = observation._asdict() if hasattr(observation, "_asdict") else observation
        return {name: _as_in(space[name], part) for name, part in parts.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(_as_in(*pair) for pair in zip(space.spaces, observation, strict=True))
    return np.asarray(observation).astype(space.dtype)


def _same(one: Any, other: Any) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def _varies(tree: Any) -> bool:
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return any((leaf != leaf[:1]).any() for leaf in leaves)


def _assert_equal(one: Any, other: Any, why: str) -> None:
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=why)
