"""Runs against each other: aggregates over seeds and tasks, with stratified bootstrap intervals."""

from upslope.comparison.aggregates import interquartile_mean as interquartile_mean
from upslope.comparison.aggregates import mean as mean
from upslope.comparison.aggregates import median as median
from upslope.comparison.aggregates import median_of_runs as median_of_runs
from upslope.comparison.aggregates import optimality_gap as optimality_gap
from upslope.comparison.aggregates import performance_profile as performance_profile
from upslope.comparison.aggregates import probability_of_improvement as probability_of_improvement
from upslope.comparison.compared_runs import compare as compare
from upslope.comparison.comparison import Comparison as Comparison
from upslope.comparison.comparison import Contender as Contender
from upslope.comparison.comparison import Group as Group
from upslope.comparison.elo import Ratings as Ratings
from upslope.comparison.elo import elo_ratings as elo_ratings
from upslope.comparison.stratified_bootstrap import Interval as Interval
from upslope.comparison.stratified_bootstrap import interval as interval
from upslope.comparison.tournament import Tournament as Tournament
from upslope.comparison.tournament import tournament as tournament
from upslope.core.lazy_names import Table

TABLE: Table
__all__: list[str]
