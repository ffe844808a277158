"""Trained policies for programs without Upslope: NumPy, ONNX and StableHLO, checked and timed.

The users' function is `upslope.export`; a format is one file and one row here.
"""

from upslope.core.lazy_names import Row, lazy_names, registry_of

TABLE = {
    "Export": "export_result",
    "ExportedFile": "export_result",
    "Exportable": "exportable",
    "Format": "format",
    "NumPyFormat": Row("numpy_format", "numpy", "one Python file whose only import is NumPy"),
    "ONNXFormat": Row("onnx_format", "onnx", "a model for ONNX Runtime and other runtimes"),
    "StableHLOFormat": Row("stablehlo_format", "stablehlo", "a function for JAX and XLA"),
}

FORMATS = registry_of("format", __name__, TABLE)

__getattr__, __dir__, __all__ = lazy_names(__name__, TABLE, "FORMATS")
