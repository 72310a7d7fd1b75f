"""Loading of models in every way that there is: real artefacts, made here, score as what they were made of."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import mlflow.pyfunc
import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from onnx import TensorProto, helper
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from actors.errors import Conflict, Invalid
from actors.model_artefacts import checked_path, staged
from actors.model_loading import ENTRY_POINTS, code_digest, load, load_code, open_artefact
from models.scoring.contract import Output, Refused, Signature, checked
from models.scoring.features import Feature
from models.scoring.registry import ModelVersion, Source
from models.scoring.trial import made_up_people, one_row, try_model
from tests.strategies import faulty_models

FEATURES = {"events": Feature(history="events"), "spend": Feature(trait="spend")}
NUMBER = Signature(name="guess", features=FEATURES, output=Output())
PROBABILITY = Signature(name="guess", features=FEATURES, output=Output(kind="probability"))
PEOPLE = pa.RecordBatch.from_pydict(
    {"customer_id": ["a", "b", "c"], "events": [1.0, 2.0, 9.0], "spend": [5.0, None, 3.0]}
)
FAULTY = "tests.strategies.faulty_models"


def registered(source: Source, artefact: Path, models_dir: Path, signature: Signature) -> ModelVersion:
    model = ModelVersion(name=signature.name, version=1, source=source, target="", signature=signature)
    with staged(artefact, models_dir) as (_, place):
        return place(model)


def values(model: Any, people: pa.RecordBatch = PEOPLE) -> list[float | str | None]:
    return checked(model.signature, model.score(people), people.num_rows)["value"]


def matrix_graph(path: Path, *weights: float) -> Path:
    """value = the features times the weights"""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["out"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(weights)])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [len(weights), 1], weights)],
    )
    return saved(graph, path)


def named_graph(path: Path, outputs: tuple[str, ...] = ("value", "low")) -> Path:
    """value = events + spend, low = events"""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["events", "spend"], [outputs[0]]),
            helper.make_node("Identity", ["events"], [outputs[1]]),
        ],
        "named",
        [
            helper.make_tensor_value_info("spend", TensorProto.DOUBLE, ["n"]),
            helper.make_tensor_value_info("events", TensorProto.DOUBLE, ["n"]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n"]) for name in outputs],
    )
    return saved(graph, path)


def saved(graph: onnx.GraphProto, path: Path) -> Path:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def test_onnx_with_one_input_for_all_features(tmp_path: Path) -> None:
    model = registered("onnx", matrix_graph(tmp_path / "m.onnx", 2.0, 3.0), tmp_path / "models", NUMBER)
    assert model.target == "guess/1/m.onnx"
    assert values(load(model, tmp_path / "models")) == [17.0, None, 27.0]


def test_onnx_with_an_input_for_each_feature_and_an_interval(tmp_path: Path) -> None:
    found = open_artefact("onnx", named_graph(tmp_path / "m.onnx"), NUMBER, trust=False)
    assert checked(NUMBER, found.score(PEOPLE), 3) == {"value": [6.0, None, 12.0], "low": [1.0, 2.0, 9.0]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: matrix_graph(path, 1.0, 2.0, 3.0), "its input takes 3 features; the signature has 2"),
        (lambda path: named_graph(path, ("some", "other")), "none of its outputs some, other is called value"),
        (lambda path: path.write_bytes(b"no model") and path, "not a model that onnxruntime"),
    ],
)
def test_onnx_that_does_not_fit_is_refused(make: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=message):
        open_artefact("onnx", make(tmp_path / "m.onnx"), NUMBER, trust=True)


def fitted(step: Any = None, named: bool = True) -> Any:
    frame = pd.DataFrame({"spend": [1.0, 2.0, 3.0, 4.0], "events": [4.0, 1.0, 3.0, 2.0]})
    told = [0, 0, 1, 1]
    steps = [SimpleImputer(), *([step] if step is not None else []), LogisticRegression()]
    return make_pipeline(*steps).fit(frame if named else frame.to_numpy(), told)


def test_sklearn_by_skops_scores_as_the_estimator(tmp_path: Path) -> None:
    estimator = fitted()
    skops.io.dump(estimator, tmp_path / "m.skops")
    model = registered("sklearn", tmp_path / "m.skops", tmp_path / "models", PROBABILITY)
    expected = estimator.predict_proba(PEOPLE.select(["spend", "events"]).to_pandas())[:, 1]
    assert values(load(model, tmp_path / "models")) == pytest.approx(list(expected))


def test_sklearn_without_names_takes_the_signatures_order(tmp_path: Path) -> None:
    estimator = LinearRegression().fit(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 5.0]]), [2.0, 3.0, 19.0])
    skops.io.dump(estimator, tmp_path / "m.skops")
    found = open_artefact("sklearn", tmp_path / "m.skops", NUMBER, trust=False)
    assert values(found, PEOPLE.slice(0, 1)) == pytest.approx([17.0])


def test_what_may_run_code_needs_trust(tmp_path: Path) -> None:
    skops.io.dump(fitted(FunctionTransformer(faulty_models.doubled)), tmp_path / "m.skops")
    joblib.dump(fitted(), tmp_path / "m.joblib")
    mlflow_folder(tmp_path / "m")
    files: list[tuple[Source, str]] = [("sklearn", "m.skops"), ("sklearn", "m.joblib"), ("mlflow", "m")]
    for source, name in files:
        with pytest.raises(Invalid, match="--trust"):
            open_artefact(source, tmp_path / name, PROBABILITY, trust=False)
    assert values(open_artefact("sklearn", tmp_path / "m.joblib", PROBABILITY, trust=True))[0] is not None


def test_sklearn_that_cannot_tell_what_the_signature_says_is_refused(tmp_path: Path) -> None:
    skops.io.dump(LinearRegression().fit([[0.0, 1.0]], [1.0]), tmp_path / "m.skops")
    with pytest.raises(Invalid, match="no predict_proba"):
        open_artefact("sklearn", tmp_path / "m.skops", PROBABILITY, trust=False)
    skops.io.dump(fitted(), tmp_path / "n.skops")
    other = Signature(name="guess", features={"events": Feature(history="events")}, output=Output())
    with pytest.raises(Invalid, match="features that the signature does not have"):
        open_artefact("sklearn", tmp_path / "n.skops", other, trust=False)


class Sums(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input["events"] + model_input["spend"].fillna(0.0)


def mlflow_folder(path: Path) -> Path:
    """An MLflow model of this module's class."""
    mlflow.pyfunc.save_model(path=str(path), python_model=Sums(), pip_requirements=[])
    return path


def test_mlflow_scores_as_its_model(tmp_path: Path) -> None:
    model = registered("mlflow", mlflow_folder(tmp_path / "m"), tmp_path / "models", NUMBER)
    assert values(load(model, tmp_path / "models")) == [6.0, 2.0, 12.0]
    with pytest.raises(Invalid, match="not the folder of an MLflow model"):
        (tmp_path / "empty").mkdir()
        open_artefact("mlflow", tmp_path / "empty", NUMBER, trust=True)


def test_an_artefact_is_private_and_what_was_registered_or_is_not_loaded(tmp_path: Path) -> None:
    models_dir = tmp_path / "models"
    model = registered("onnx", matrix_graph(tmp_path / "m.onnx", 2.0, 3.0), models_dir, NUMBER)
    path = checked_path(model, models_dir)
    assert [each.stat().st_mode & 0o777 for each in (models_dir, path.parent, path)] == [0o700, 0o700, 0o600]
    assert len(model.digest) == 64
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(Conflict, match="not the one that was registered"):
        load(model, models_dir)
    path.unlink()
    with pytest.raises(Conflict, match="not the one that was registered"):
        load(model, models_dir)


def test_what_is_not_registered_leaves_nothing(tmp_path: Path) -> None:
    artefact = matrix_graph(tmp_path / "m.onnx", 2.0, 3.0)
    with pytest.raises(ValueError), staged(artefact, tmp_path / "models"):
        raise ValueError
    assert list((tmp_path / "models").iterdir()) == []
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(artefact)
    with pytest.raises(Invalid, match="links"), staged(tmp_path / "folder", tmp_path / "models"):
        pass


def test_a_number_that_was_never_taken_is_free_of_what_it_left(tmp_path: Path) -> None:
    models_dir = tmp_path / "models"
    (models_dir / "guess" / "1").mkdir(parents=True)
    (models_dir / "guess" / "1" / "half").write_bytes(b"x")
    model = registered("onnx", matrix_graph(tmp_path / "m.onnx", 2.0, 3.0), models_dir, NUMBER)
    assert [path.name for path in (models_dir / "guess" / "1").iterdir()] == ["m.onnx"]
    assert load(model, models_dir).signature == NUMBER


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package that offers a model."""
    source = Path(faulty_models.__file__).read_text()
    (tmp_path / "shop_models").mkdir()
    (tmp_path / "shop_models" / "__init__.py").write_text("")
    (tmp_path / "shop_models" / "halved.py").write_text(source)
    (tmp_path / "shop_models-1.0.dist-info").mkdir()
    (tmp_path / "shop_models-1.0.dist-info" / "METADATA").write_text("Name: shop-models\nVersion: 1.0\n")
    points = f"[{ENTRY_POINTS}]\nhalved = shop_models.halved:Halved\n"
    (tmp_path / "shop_models-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "shop_models"
    for name in [each for each in sys.modules if each.startswith("shop_models")]:
        del sys.modules[name]


def test_an_entry_point_counts_as_it_was_registered(package: Path) -> None:
    found = load_code("entry_point", "halved", {})
    digest = code_digest("entry_point", "halved")
    assert digest == code_digest("import", "shop_models.halved:Halved")
    model = ModelVersion(
        name="halved", version=1, source="entry_point", target="halved", signature=found.signature, digest=digest
    )
    assert values(load(model, Path()), PEOPLE) == [0.5, 1.0, 4.5]
    (package / "weights.json").write_text("{}")
    with pytest.raises(Conflict, match="its code has changed"):
        load(model, Path())


def test_code_whose_signature_became_another_is_refused() -> None:
    model = ModelVersion(name="guess", version=1, source="import", target=f"{FAULTY}:Halved", signature=NUMBER)
    with pytest.raises(Conflict, match="its signature has changed"):
        load(model, Path())


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("builtin", "nothing", "builtin: expected one of .*lifetime_value"),
        ("entry_point", "nothing", "no installed package offers it"),
        ("import", "nothing", "expected package.module:factory"),
        ("import", f"{FAULTY}:Nothing", "cannot be imported"),
        ("import", f"{FAULTY}:SECRET", "expected a class or a function"),
        ("import", "fractions:Fraction", "no scoring model"),
    ],
)
def test_what_is_not_there_is_named_with_the_way_out(source: Source, target: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        load_code(source, target, {})


@pytest.mark.parametrize("kind", ["Halved", "Quick", "Raises", "Sleeps"])
def test_a_model_that_answers_about_made_up_people_passes(kind: str) -> None:
    try_model(load_code("import", f"{FAULTY}:{kind}", {}))


@pytest.mark.parametrize(
    ("kind", "message"),
    [("ComparesPeople", "depends on who else"), ("QuickAndWrong", "do not tell the same")],
)
def test_a_model_whose_scores_depend_on_how_it_is_asked_is_refused(kind: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        try_model(load_code("import", f"{FAULTY}:{kind}", {}))


def test_the_fast_path_tells_what_the_batch_tells() -> None:
    quick = faulty_models.Quick()
    people = made_up_people(quick.signature)
    alone = [one_row(quick, people.slice(number, 1)) for number in range(people.num_rows)]
    assert [value for batch in alone for value in values(_Told(quick.signature, batch), batch)] == values(quick, people)


class _Told:
    def __init__(self, signature: Signature, answer: pa.RecordBatch) -> None:
        self.signature, self._answer = signature, answer

    def score(self, features: pa.RecordBatch) -> pa.RecordBatch:
        return self._answer
