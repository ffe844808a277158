"""Dynamic programming in finite MDPs whose numbers are known: policies with a bound on the error.

`solve` takes a name, an MDP or arrays. The classes load on first use."""

from upslope.core.lazy_names import Row, lazy_names, registry_of

TABLE = {
    "PolicyIteration": Row(
        "policy_iteration", "policy-iteration", "exact evaluation, then improvement where certain"
    ),
    "ValueIteration": Row(
        "value_iteration", "value-iteration", "backups until the span of their change is small"
    ),
    "ModifiedPolicyIteration": Row(
        "modified_policy_iteration",
        "modified-policy-iteration",
        "improvements, each followed by a few sweeps of the policy's own backup",
    ),
    "BackwardInduction": Row(
        "backward_induction", "backward-induction", "a fixed number of steps, from the last one"
    ),
    "RelativeValueIteration": Row(
        "relative_value_iteration",
        "relative-value-iteration",
        "the largest average reward per step",
    ),
    "Solution": "solution",
    "Solver": "solver",
    "as_mdp": "problem",
    "mdp_from_arrays": "arrays",
    "solve": "solving",
}

SOLVERS = registry_of("solver", __name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "SOLVERS")
