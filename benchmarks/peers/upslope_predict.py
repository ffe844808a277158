"""Upslope's `predict` with a 64x64 network: calls per second."""

import importlib.metadata

import jax
from predict_calls import arguments, serve, spaces

from upslope.policies import default_policy
from upslope.training.agent import Agent

given = arguments()
observation_space, action_space = spaces(given.actions)
policy = default_policy(jax.random.key(0), observation_space, action_space)
agent = Agent(policy, observation_space, action_space)
serve(agent, {"upslope": importlib.metadata.version("upslope")}, given)
