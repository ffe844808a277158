"""The facade: what a run returns, writes and refuses."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from small_runs import SMALL, small_run, status
from upslope.core.checks import NumericalError, StorageError, UpslopeError
from upslope.environments.classic.cartpole import CartPole
from upslope.environments.environment import Step
from upslope.training.train import evaluate, load, train


@pytest.mark.slow
def test_a_run_returns_policies_with_their_evidence(tmp_path):
    run = small_run("ppo", tmp_path / "run")
    steps = run.summary.steps
    assert steps.tolist() == [1024, 1024]
    assert run.returns.shape == (2,)
    assert [e.returns.shape for e in run.evaluations] == [(2, 2)] * 3 + [(2, 4)]
    assert set(run.curves["seed"]) == {0, 1}
    assert run.curves["steps"].max() == 1024
    assert run.curves["iteration"].max() == 8
    assert {"return", "length", "approx_kl", "entropy"} <= set(run.curves)
    centre, low, high = run.interval()
    assert low <= centre <= high
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "evaluations.npz",
        "checkpoints",
        "policy",
        "status.json",
        "command.txt",
    }
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 16
    assert {"rollout/ep_rew_mean", "train/approx_kl", "seed", "iteration"} <= set(rows[0])
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)


def test_the_loaded_agent_acts_as_the_run_did(tmp_path):
    run = small_run("ppo", tmp_path / "run")
    best = int(np.argmax(run.returns))
    agent = load(tmp_path / "run")
    assert agent.metadata["seed"] == best
    observation = np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32)
    action, state = agent.predict(observation, deterministic=True)
    assert state is None
    assert action.tolist() == run.agent().predict(observation, deterministic=True)[0].tolist()
    one, _ = agent.predict(observation[3], deterministic=True)
    assert one == action[3]
    drawn = [agent.predict(observation)[0].tolist() for _ in range(8)]
    assert any(d != drawn[0] for d in drawn), "without deterministic, actions are drawn"
    with pytest.raises(UpslopeError, match=r"shape \(3,\)"):
        agent.predict(np.zeros(3))


@pytest.mark.slow
def test_the_same_evaluation_twice_is_the_same(tmp_path):
    small_run("ppo", tmp_path / "run")
    first = evaluate(tmp_path / "run", episodes=5)
    assert first.returns.shape == (2, 5)
    assert np.array_equal(first.returns, evaluate(tmp_path / "run", episodes=5).returns)
    assert not np.array_equal(first.returns, evaluate(tmp_path / "run", episodes=5, seed=1).returns)
    with pytest.raises(UpslopeError, match="same spaces"):
        evaluate(tmp_path / "run", environment="Acrobot-v1")


@pytest.mark.slow
def test_the_written_configuration_reruns_the_run(tmp_path):
    run = small_run("reinforce", tmp_path / "a")
    again = upslope.training.train.run(run.config, out=tmp_path / "b")
    read = upslope.training.config.RunConfig.from_dict(
        upslope.training.run_folder.RunFolder.open(tmp_path / "a", lock=False).config()
    )
    assert read == run.config
    assert np.array_equal(run.curves["return"], again.curves["return"])


@pytest.mark.slow
def test_seeds_do_not_know_of_each_other():
    """Seed 0 of a run of two is seed 0 of a run of one: on any number of devices."""
    two, one = small_run("ppo", None), small_run("ppo", None, seeds=1)
    for name in ("return", "approx_kl", "steps"):
        a, b = two.history.curve(name, 0), one.history.curve(name, 0)
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_allclose(a[1], b[1], rtol=1e-4, atol=1e-6)
    assert not np.array_equal(two.history.curve("return", 0)[1], two.history.curve("return", 1)[1])


class NanCartPole(CartPole):
    """CartPole that breaks in the third step of every episode."""

    def reset(self, key):
        state, observation = super().reset(key)
        return (state, jnp.zeros((), int)), observation

    def step(self, key, state, action):
        inner, age = state
        inner, out = super().step(key, inner, action)
        reward = jnp.where(age == 2, jnp.nan, out.reward)
        return (inner, age + 1), Step(out.observation, reward, out.terminated)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "reinforce", "cem"])
def test_a_nan_reward_stops_the_run_and_says_where(method, tmp_path):
    options = dict(seeds=1, hidden=(8,), evaluations=2, evaluation_episodes=2, final_episodes=2)
    with pytest.raises(NumericalError, match=r"environment 0 .* step 2") as caught:
        train(
            NanCartPole(),
            method,
            out=tmp_path / "run",
            use_preset=False,
            **options,
            **SMALL[method],
        )
    assert caught.value.exit_code == 4
    assert status(tmp_path / "run")["state"] == "failed"
    assert status(tmp_path / "run")["exit_code"] == 4
    diagnosis = json.loads((tmp_path / "run" / "diagnosis.json").read_text())
    assert diagnosis["numerical"]
    assert "step 2" in diagnosis["message"]


@pytest.mark.slow
def test_a_policy_that_diverges_stops_the_run(tmp_path):
    with pytest.raises(NumericalError, match="max_grad_norm"):
        small_run("reinforce", None, learning_rate=1e38, optimizer="sgd")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (dict(method="pppo"), "Did you mean 'ppo'"),
        (dict(environment="CartPole-v2"), "Did you mean"),
        (dict(lr=0.1), "Did you mean 'learning_rate'"),
        (dict(num_envs=4), "Did you mean 'n_envs'"),
        (dict(learning_rate=0.0), "learning_rate"),
        (dict(learning_rate=float("nan")), "finite"),
        (dict(n_envs=0), "n_envs"),
        (dict(batch_size=10_000), "batch_size"),
        (dict(gamma=1.5), "gamma"),
        (dict(gamma=-0.1), "gamma"),
        (dict(seeds=0), "seeds"),
        (dict(seed=-1), "seed"),
        (dict(total_timesteps=0), "total_timesteps"),
        (dict(total_timesteps=1.5), "an int, got the float 1.5"),
        (dict(policy="gaussian"), "Discrete"),
        (dict(policy="softmaxx"), "Did you mean"),
        (dict(objective="discounted", gamma=1.0), "EpisodicReturn"),
        (dict(activation="tan"), "tanh"),
        (dict(hidden=(0,)), "hidden"),
    ],
)
def test_bad_input_is_refused_before_any_work(call, words, tmp_path):
    call = dict(call)
    environment = call.pop("environment", "CartPole-v1")
    method = call.pop("method", "ppo")
    with pytest.raises(UpslopeError) as caught:
        train(environment, method, out=tmp_path / "run", **call)
    assert words in str(caught.value)


def test_a_used_folder_and_an_unwritable_one_are_refused(tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("mine")
    with pytest.raises(StorageError, match="not empty"):
        small_run("cem", tmp_path / "used")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        small_run("cem", tmp_path / "file" / "run")


def test_loggers_need_a_folder():
    with pytest.raises(UpslopeError, match="folder"):
        train("CartPole-v1", "cem", loggers=["tensorboard"])


@pytest.mark.slow
def test_the_figure_shows_every_seed(tmp_path):
    run = small_run("cem", None)
    figure = run.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    assert len(figure.axes[0].lines) == 3  # two seeds and their interquartile mean


@pytest.mark.slow
def test_the_best_seen_is_that_of_all_iterations():
    settings = {"total_timesteps": 3000, "seeds": 2, "evaluations": 1, "final_episodes": 2}
    run = upslope.train("CartPole-v1", "cem", out=None, **settings)
    columns = run.curves
    expected = [columns["best"][columns["seed"] == seed].max() for seed in range(2)]
    np.testing.assert_array_equal(run.summary.best_seen, expected)
    assert upslope.train("CartPole-v1", "ppo", out=None, **settings).summary.best_seen is None
    discounted = upslope.train("CartPole-v1", "cem", out=None, gamma=0.9, **settings)
    assert discounted.summary.best_seen is None  # its values are not returns
