"""Models: environments that were learnt from steps of others. Fit one, plan or train in it.

The classes load on first use."""

from upslope.core.lazy_names import Table
from upslope.core.records import Transitions as Transitions
from upslope.core.registry import Registry
from upslope.models.calibration import Calibration as Calibration
from upslope.models.counting import TabularStatistics as TabularStatistics
from upslope.models.data_files import read_transitions as read_transitions
from upslope.models.ensemble import EnsembleKnowledge as EnsembleKnowledge
from upslope.models.ensemble import EnsembleModel as EnsembleModel
from upslope.models.ensemble import EnsembleState as EnsembleState
from upslope.models.ensemble_member import EnsembleMember as EnsembleMember
from upslope.models.ensemble_member import Scales as Scales
from upslope.models.ensemble_training import Learner as Learner
from upslope.models.gaussian_network import GaussianNetwork as GaussianNetwork
from upslope.models.latent_model import LatentModel as LatentModel
from upslope.models.latent_model import LatentPrediction as LatentPrediction
from upslope.models.latent_model import LatentState as LatentState
from upslope.models.least_squares import Comoments as Comoments
from upslope.models.least_squares import Regression as Regression
from upslope.models.linear_gaussian import LinearGaussianModel as LinearGaussianModel
from upslope.models.linear_gaussian import LinearKnowledge as LinearKnowledge
from upslope.models.linear_gaussian import LinearSystem as LinearSystem
from upslope.models.model import FitReport as FitReport
from upslope.models.model import Model as Model
from upslope.models.model import ModelDiagnostics as ModelDiagnostics
from upslope.models.outcomes import NeverTerminates as NeverTerminates
from upslope.models.scales import Scale as Scale
from upslope.models.starts import Starts as Starts
from upslope.models.tabular import TabularModel as TabularModel
from upslope.models.value_support import ValueSupport as ValueSupport

MODELS: Registry
TABLE: Table
__all__: list[str]
