"""Trained policies for programs without Upslope: NumPy, ONNX and StableHLO, checked and timed.

The users' function is `upslope.export`; a format is one file and one row here.
"""

from upslope.core.lazy_names import Table
from upslope.core.registry import Registry
from upslope.exporting.export_result import Export as Export
from upslope.exporting.export_result import ExportedFile as ExportedFile
from upslope.exporting.exportable import Exportable as Exportable
from upslope.exporting.format import Format as Format
from upslope.exporting.numpy_format import NumPyFormat as NumPyFormat
from upslope.exporting.onnx_format import ONNXFormat as ONNXFormat
from upslope.exporting.stablehlo_format import StableHLOFormat as StableHLOFormat

FORMATS: Registry
TABLE: Table
__all__: list[str]
