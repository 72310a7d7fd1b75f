"""Scoring models of MLflow, in its `pyfunc` flavour: a folder with code and whatever else it needs.

It is given a table with the signature's features and answers with a table that has the contract's columns, or with one
number, or text, a person.
"""

import os
from pathlib import Path
from typing import Any

# Set before MLflow is imported: it would tell its makers of its use.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa

from actors.errors import Invalid
from models.scoring.contract import HIGH, LOW, RIVAL, VALUE, Signature


class MlflowModel:
    """A model of a folder. Raises Invalid if there is none in it."""

    def __init__(self, path: Path, signature: Signature) -> None:
        self.signature = signature
        try:
            self._model = mlflow.pyfunc.load_model(str(path))
        except mlflow.exceptions.MlflowException:
            raise Invalid("mlflow: not the folder of an MLflow model with the pyfunc flavour") from None

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """See the contract."""
        told: Any = self._model.predict(features.select(list(self.signature.features)).to_pandas())
        if isinstance(told, pd.DataFrame) and VALUE in told.columns:
            columns = [name for name in (VALUE, LOW, HIGH, RIVAL) if name in told.columns]
            return pa.RecordBatch.from_pandas(told[columns], preserve_index=False)
        values = np.asarray(told)
        return pa.RecordBatch.from_pydict({VALUE: pa.array(values[:, -1] if values.ndim == 2 else values)})
