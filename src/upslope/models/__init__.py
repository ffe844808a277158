"""Models: environments that were learnt from steps of others. Fit one, plan or train in it.

The classes load on first use."""

from upslope.core.lazy_names import Row, lazy_names, registry_of
from upslope.core.records import Transitions
from upslope.storage.serializable import serializable_package

TABLE = {
    "EnsembleModel": Row("ensemble", "ensemble", "probabilistic networks, each on its bootstrap"),
    "LinearGaussianModel": Row(
        "linear_gaussian", "linear-gaussian", "linear dynamics and quadratic reward, least squares"
    ),
    "TabularModel": Row("tabular", "tabular", "a finite MDP estimated by counting"),
    "Calibration": "calibration",
    "EnsembleKnowledge": "ensemble",
    "EnsembleMember": "ensemble_member",
    "EnsembleState": "ensemble",
    "FitReport": "model",
    "GaussianNetwork": "gaussian_network",
    "LatentModel": "latent_model",
    "LatentPrediction": "latent_model",
    "LatentState": "latent_model",
    "Learner": "ensemble_training",
    "Comoments": "least_squares",
    "LinearKnowledge": "linear_gaussian",
    "LinearSystem": "linear_gaussian",
    "Model": "model",
    "ModelDiagnostics": "model",
    "NeverTerminates": "outcomes",
    "Regression": "least_squares",
    "Scale": "scales",
    "Scales": "ensemble_member",
    "Starts": "starts",
    "TabularStatistics": "counting",
    "ValueSupport": "value_support",
    "read_transitions": "data_files",
}

MODELS = registry_of("model", __name__, TABLE)
serializable_package(__name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "MODELS", "Transitions")
