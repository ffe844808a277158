"""Dynamic programming in finite MDPs whose numbers are known: policies with a bound on the error.

`solve` takes a name, an MDP or arrays. The classes load on first use."""

from upslope.core.lazy_names import Table
from upslope.core.registry import Registry
from upslope.planning.dynamic_programming.arrays import mdp_from_arrays as mdp_from_arrays
from upslope.planning.dynamic_programming.backward_induction import BackwardInduction as BackwardInduction
from upslope.planning.dynamic_programming.modified_policy_iteration import ModifiedPolicyIteration as ModifiedPolicyIteration
from upslope.planning.dynamic_programming.policy_iteration import PolicyIteration as PolicyIteration
from upslope.planning.dynamic_programming.problem import as_mdp as as_mdp
from upslope.planning.dynamic_programming.relative_value_iteration import RelativeValueIteration as RelativeValueIteration
from upslope.planning.dynamic_programming.solution import Solution as Solution
from upslope.planning.dynamic_programming.solver import Solver as Solver
from upslope.planning.dynamic_programming.solving import solve as solve
from upslope.planning.dynamic_programming.value_iteration import ValueIteration as ValueIteration

SOLVERS: Registry
TABLE: Table
__all__: list[str]
