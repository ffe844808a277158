"""The one line of advice at the end of a run."""

from __future__ import annotations

import numpy as np

from upslope.engine.history import History
from upslope.engine.progress import Evaluation
from upslope.search import METHODS
from upslope.training.advice import closing_advice, cut_episodes


def history_of(late):
    """Two seeds of 100 iterations; the ratio is 5 at first and `late` in the last quarter."""
    history = History()
    for seed in range(2):
        for iteration in range(1, 101):
            snr = late if iteration >= 75 else 5.0
            row = {"seed": seed, "iteration": iteration, "steps": 10 * iteration}
            history.append(row | {"gradient_snr": snr, "gradient_noise_scale": 32 / max(snr, 1e-3)})
    return history


def evaluation(spread):
    returns = 100.0 + spread * np.random.default_rng(0).normal(size=(2, 20))
    return Evaluation(np.array([1000, 1000]), returns, np.full((2, 20), 10))


def test_episodes_that_only_the_evaluation_ended_are_spoken_of():
    lengths = np.array([[10_000, 10_000], [10_000, 7]])
    some = Evaluation(np.array([9, 9]), np.zeros((2, 2)), lengths)
    assert cut_episodes(some, None)[0].startswith("3 of 4 final episodes were truncated after 10,")
    every = Evaluation(np.array([9, 9]), np.zeros((2, 2)), np.full((2, 2), 10_000))
    assert cut_episodes(every, None)[0].startswith("Every final episode was truncated")
    assert cut_episodes(every, 10_000) == []  # its own limit
    assert cut_episodes(evaluation(1.0), None) == []


REINFORCE = METHODS.get("reinforce")()


def test_a_noisy_end_is_spoken_of():
    text = closing_advice(REINFORCE, history_of(0.01), evaluation(1.0))
    assert text is not None
    assert "raise n_episodes=32" in text


def test_nothing_is_said_of_a_good_batch_or_a_solved_task_or_by_methods_without_gradients():
    assert closing_advice(REINFORCE, history_of(1.0), evaluation(1.0)) is None
    assert closing_advice(REINFORCE, history_of(0.01), evaluation(0.0)) is None
    assert closing_advice(METHODS.get("cem")(), history_of(0.01), evaluation(1.0)) is None
    assert closing_advice(REINFORCE, History(), evaluation(1.0)) is None


def test_ratios_that_were_never_known_give_no_advice():
    history = history_of(0.01)
    history.columns["gradient_snr"] = [float("nan")] * history.rows
    assert closing_advice(REINFORCE, history, evaluation(1.0)) is None
