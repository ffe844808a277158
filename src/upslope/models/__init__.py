"""Models: environments that were learnt from steps of others. Fit one, plan or train in it.

The classes load on first use."""

from upslope.core.lazy_names import lazy_names, registry_of
from upslope.core.records import Transitions
from upslope.storage.serializable import serializable_package

TABLE = {
    "Calibration": "calibration",
    "FitReport": "model",
    "Model": "model",
    "ModelDiagnostics": "model",
}

MODELS = registry_of("model", __name__, TABLE)
serializable_package(__name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "MODELS", "Transitions")
