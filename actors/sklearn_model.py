"""Scoring models of scikit-learn: estimators and pipelines in the skops format, or pickled.

skops files are data; types in them that skops does not know to be harmless are refused unless whoever registers the
model trusts it. A pickle is code, and is refused without that too. Trust is a decision of the machine's command line
alone; the digest binds it to the very file.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from actors.errors import Invalid
from models.scoring.contract import VALUE, Signature

_PICKLES = (".pkl", ".pickle", ".joblib")
_HARMLESS = ("numpy.dtype",)  # that skops does not know to be, in the imputers of scikit-learn


def read_estimator(path: Path, trust: bool) -> Any:
    """The estimator of a file, a .skops or a pickle. Raises Invalid."""
    if path.suffix == ".skops":
        from skops.io import get_untrusted_types, load

        unknown = get_untrusted_types(file=path)
        if not trust and (unknown := sorted(set(unknown) - set(_HARMLESS))):
            raise Invalid(
                f"sklearn: {', '.join(unknown)} may run code: give --trust if you know where the file comes from"
            )
        return load(path, trusted=[*unknown, *_HARMLESS])
    if path.suffix not in _PICKLES:
        raise Invalid(f"sklearn: expected a file that ends in .skops, {', '.join(_PICKLES)}")
    if not trust:
        raise Invalid(
            "sklearn: a pickle may run code: save it with skops, or give --trust if you know where it comes from"
        )
    import joblib

    return joblib.load(path)


class SklearnModel:
    """An estimator that was fitted on the signature's features, in their order or by their names.

    Probabilities are those of the last class that it tells apart. Raises Invalid if it cannot tell what the signature
    says.
    """

    def __init__(self, estimator: Any, signature: Signature) -> None:
        self.signature = signature
        self._named = hasattr(estimator, "feature_names_in_")
        if self._named and set(estimator.feature_names_in_) - signature.features.keys():
            raise Invalid("sklearn: it was fitted on features that the signature does not have")
        self._order = list(estimator.feature_names_in_) if self._named else list(signature.features)
        wanted = "predict_proba" if signature.output.kind == "probability" else "predict"
        if not hasattr(estimator, wanted):
            raise Invalid(f"sklearn: {type(estimator).__name__} has no {wanted}, which its kind of output needs")
        self._tell = getattr(estimator, wanted)

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        """See the contract."""
        frame = features.select(self._order).to_pandas()
        told = np.asarray(self._tell(frame if self._named else frame.to_numpy()))
        if told.ndim == 2:
            told = told[:, -1]
        return pa.RecordBatch.from_pydict({VALUE: pa.array(told)})
