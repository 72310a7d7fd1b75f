"""Scoring models in the ONNX format: data that onnxruntime computes, no code of their own.

The graph has either one input of shape (n, features), numbers in the order of the signature, or an input for each
feature by its name, (n,) or (n, 1). Outputs are taken by the names of the contract; a graph without an output `value`
must have one that can be it: of probabilities `probabilities`, whose last column counts, else the only one.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa

from actors.errors import Invalid
from models.scoring.contract import HIGH, LOW, RIVAL, VALUE, Signature

_PROBABILITIES = "probabilities"
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(string)": np.object_,
}


class OnnxModel:
    """A model of a file. Raises Invalid if its inputs or outputs do not fit the signature."""

    def __init__(self, path: Path, signature: Signature) -> None:
        self.signature = signature
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the cores belong to all
        options.log_severity_level = 4  # logs may hold values
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class for each of its codes
            raise Invalid(f"onnx: not a model that onnxruntime {onnxruntime.__version__} reads") from error
        inputs = self._session.get_inputs()
        unknown = sorted({each.type for each in inputs} - _TYPES.keys())
        if unknown:
            raise Invalid(f"onnx: inputs of type {', '.join(unknown)} are none of {', '.join(_TYPES)}")
        self._types = {each.name: _TYPES[each.type] for each in inputs}
        self._flat = {each.name for each in inputs if len(each.shape) == 1}
        self._matrix = ""
        if self._types.keys() != signature.features.keys():
            if len(inputs) != 1 or any(feature.is_text for feature in signature.features.values()):
                names = ", ".join(self._types)
                raise Invalid(
                    f"onnx: inputs {names}: expected one for each feature by its name, or one for all numbers"
                )
            width = inputs[0].shape[1] if len(inputs[0].shape) == 2 else 0
            if isinstance(width, int) and width != len(signature.features):
                raise Invalid(f"onnx: its input takes {width} features; the signature has {len(signature.features)}")
            self._matrix = inputs[0].name
        self._outputs = self._told()

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """See the contract."""
        columns = {name: _column(features.column(name)) for name in self.signature.features}
        if self._matrix:
            told = {self._matrix: np.column_stack(list(columns.values())).astype(self._types[self._matrix])}
        else:
            told = {
                name: columns[name].astype(kind) if name in self._flat else columns[name].astype(kind)[:, None]
                for name, kind in self._types.items()
            }
        answers = self._session.run(list(self._outputs.values()), told)
        return pa.RecordBatch.from_pydict(
            {name: _flat(answer) for name, answer in zip(self._outputs, answers, strict=True)}
        )

    def _told(self) -> dict[str, str]:
        """Column of the contract -> output."""
        names = [each.name for each in self._session.get_outputs()]
        found = {name: name for name in (VALUE, LOW, HIGH, RIVAL) if name in names}
        if VALUE not in found:
            rest = [name for name in names if name not in found]
            if self.signature.output.kind == "probability" and _PROBABILITIES in rest:
                rest = [_PROBABILITIES]
            if len(rest) != 1:
                raise Invalid(f"onnx: none of its outputs {', '.join(names)} is called {VALUE}")
            found[VALUE] = rest[0]
        odd = [each.name for each in self._session.get_outputs() if not each.type.startswith("tensor")]
        if odd_used := sorted(set(odd) & set(found.values())):
            raise Invalid(f"onnx: output {odd_used[0]} is no tensor; convert classifiers without ZipMap")
        return found


def _column(column: pa.Array) -> Any:
    """(n,), NaN or "" where there is nothing."""
    if pa.types.is_string(column.type):
        return np.array(column.fill_null("").to_pylist(), np.object_)
    return column.to_numpy(zero_copy_only=False).astype(np.float64)


def _flat(answer: Any) -> Any:
    """(n,) of (n,), (n, 1), or the last column of (n, k)."""
    array = np.asarray(answer)
    return array if array.ndim == 1 else array[:, -1]
