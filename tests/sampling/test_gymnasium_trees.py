"""Dict and Tuple observations of simulators reach the policy as trees; masks are honoured."""

from __future__ import annotations

import gymnasium
import jax
import numpy as np
import pytest
from small_simulators import Masked, Spaces

import upslope
from upslope.core.checks import UpslopeError
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.objectives.objective import EpisodicReturn
from upslope.policies import default_policy
from upslope.sampling.experience import EpisodeReturns, Episodes, Steps
from upslope.sampling.simulators.gymnasium_sampler import GymnasiumSampler
from upslope.sampling.simulators.gymnasium_spaces import policy_spaces

SMALL = {
    "ppo": dict(n_envs=4, n_steps=32, batch_size=32, n_epochs=4, learning_rate=5e-3),
    "reinforce": dict(n_episodes=16, learning_rate=2e-2),
}
QUICK = dict(seeds=1, hidden=(16,), workers=0, use_preset=False, evaluations=1, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("experience", [Steps(3, 20), Episodes(4), EpisodeReturns(2, 3)])
@pytest.mark.parametrize("normalize_observations", [False, True])
def test_a_masked_action_is_never_taken(experience, normalize_observations):
    """The simulator raises on one; a policy that ignored the mask would soon take one."""
    environment = GymnasiumSpec.built_by(Masked)
    spaces = policy_spaces(environment)
    population = isinstance(experience, EpisodeReturns)
    lead = (2, 2) if population else (2,)

    def make(key):
        return default_policy(key, *spaces, normalize_observations=normalize_observations)

    policies = jax.vmap(make)(jax.random.split(jax.random.key(0), lead).reshape(-1))
    policies = jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), policies)
    sampler = GymnasiumSampler(
        environment, experience, EpisodicReturn(), n_seeds=2, seed=0, workers=0
    )
    batch, _ = sampler.sample(jax.random.split(jax.random.key(1), 2), policies)
    if population:
        assert (np.asarray(batch.lengths) == 5).all()
        return
    assert set(batch.observation) == {"target", "place", "action_mask"}
    valid, mask = batch.valid, batch.observation["action_mask"]
    assert (mask[valid].mean(axis=0) < 0.9).all()
    assert np.take_along_axis(mask, batch.action[..., None], axis=-1)[valid].all()
    assert str(batch.observation["target"].dtype) == "int32"
    place = batch.observation["place"][0]
    assert place.dtype == np.float32
    going = ~(batch.terminated | batch.truncated)[:, :-1] & valid[:, 1:]
    following = batch.next_observation["place"][0][:, :-1]
    np.testing.assert_array_equal(following[going], place[:, 1:][going])


def test_ignoring_the_mask_is_an_error_of_the_simulator():
    """The variant that must fail: a policy that reads the mask as one more input."""
    seen, acts = policy_spaces(GymnasiumSpec.built_by(Masked))
    blind = gymnasium.spaces.Dict(
        {("mask" if name == "action_mask" else name): part for name, part in seen.spaces.items()}
    )
    make = lambda key: default_policy(key, blind, acts)  # noqa: E731
    policy = jax.vmap(make)(jax.random.split(jax.random.key(0), 1))

    class Blind(gymnasium.ObservationWrapper):
        observation_space = blind

        def observation(self, observation):
            return {"mask" if name == "action_mask" else name: x for name, x in observation.items()}

    spec = GymnasiumSpec.built_by(lambda: Blind(Masked()))
    sampler = GymnasiumSampler(spec, Steps(3, 20), EpisodicReturn(), n_seeds=1, seed=0, workers=0)
    with pytest.raises(UpslopeError, match="not allowed by"):
        sampler.sample(jax.random.split(jax.random.key(0), 1), policy)


@pytest.mark.slow
@pytest.mark.parametrize("tell", ["field", "info"])
@pytest.mark.parametrize("method", ["ppo", "reinforce"])
def test_a_small_masked_task_is_learnt_and_predicted(method, tell):
    """Five targets in five steps; chance among the allowed actions is about 2.3 of them."""
    settings = {"action_mask": True} if tell == "info" else {}
    name = f"UpslopeMasked{tell.title()}-v0"
    if name not in gymnasium.registry:
        gymnasium.register(name, entry_point=Masked, kwargs={"tell": tell})
    run = upslope.train(
        f"gymnasium:{name}",
        method,
        environment_settings=settings,
        total_timesteps=6000,
        final_episodes=20,
        **QUICK,
        **SMALL[method],
    )
    assert run.summary.final.returns.mean() > 4.5
    agent = run.agent()
    env = upslope.make(f"gymnasium:{name}", **settings).build()
    total, seen = 0.0, []
    for episode in range(5):
        observation, _ = env.reset(seed=episode)
        ended = False
        while not ended:
            seen.append(observation)
            action, _ = agent.predict(observation, deterministic=episode % 2 == 0)
            observation, reward, ended, *_ = env.step(action)
            total += reward
    assert total > 22
    batch = {
        "target": np.stack([one["target"] for one in seen]),
        "place": (np.stack([one["place"][0] for one in seen]),),
        "action_mask": np.stack([one["action_mask"] for one in seen]),
    }
    actions, _ = agent.predict(batch, deterministic=True)
    singly = [agent.predict(one, deterministic=True)[0] for one in seen]
    np.testing.assert_array_equal(actions, singly)
    assert np.take_along_axis(batch["action_mask"], actions[:, None], axis=1).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gaussian", "recurrent"])
def test_ppo_runs_on_trees_of_every_leaf(kind):
    """Minibatches of rows, and of whole streams of a policy with memory."""
    run = upslope.train(
        lambda: gymnasium.wrappers.TimeLimit(Spaces("dict", "box"), 7),
        "ppo",
        policy=kind,
        total_timesteps=256,
        final_episodes=2,
        n_envs=4,
        n_steps=16,
        batch_size=32,
        n_epochs=2,
        normalize_observations=True,
        **{**QUICK, "hidden": (8, 8)},
    )
    assert np.isfinite(run.curves["approx_kl"]).all()
    assert run.summary.final.lengths.max() == 7
