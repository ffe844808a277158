"""Models: environments that were learnt from steps of others. Fit one, plan or train in it.

The classes load on first use."""

from upslope.core.lazy_names import Table
from upslope.core.records import Transitions as Transitions
from upslope.core.registry import Registry
from upslope.models.calibration import Calibration as Calibration
from upslope.models.model import FitReport as FitReport
from upslope.models.model import Model as Model
from upslope.models.model import ModelDiagnostics as ModelDiagnostics

MODELS: Registry
TABLE: Table
__all__: list[str]
