"""The shipped embedding: what it promises, and what it knows of names."""

import subprocess
import sys

import numpy as np
import pytest

from models.identity.embedding import NgramEmbedder, dequantise, quantise

NAMES = ["John Smith", "Smith, John", "Jon Smyth", "Maria García López", "Владимир Иванов", "", "Wei Zhang", "..."]


@pytest.fixture(scope="module")
def embedder() -> NgramEmbedder:
    return NgramEmbedder.shipped()


def similarity(embedder: NgramEmbedder, left: str, right: str) -> float:
    a, b = embedder.embed([left, right])
    return float(a @ b)


def test_rows_are_of_unit_length_and_empty_texts_are_zeros(embedder: NgramEmbedder) -> None:
    vectors = embedder.embed(NAMES)
    assert vectors.shape == (len(NAMES), embedder.dimensions)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths == pytest.approx([1, 1, 1, 1, 1, 0, 1, 0], abs=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_a_text_embeds_the_same_in_any_batch(embedder: NgramEmbedder) -> None:
    many = [f"{name} {i}" for i in range(3000) for name in NAMES]  # several chunks
    together = embedder.embed(many)
    for i in (0, 1, 5, 8000, len(many) - 1):
        assert np.array_equal(embedder.embed([many[i]])[0], together[i])
    assert np.array_equal(NgramEmbedder.shipped().embed(NAMES), embedder.embed(NAMES))


@pytest.mark.parametrize(
    ("text", "like", "unlike"),
    [
        ("Jonathan Hargreaves", "Jonathon Hargraves", "Samantha Whitfield"),  # typing, hearing
        ("Jonathan Hargreaves", "Hargreaves, Jonathan", "Hargreaves, Philippa"),  # order; a relative
        ("Robert Castellano", "Bob Castellano", "Eve Castellano"),  # a nickname, with no letters of the name's start
        ("William Okonkwo", "Bill Okonkwo", "Sue Okonkwo"),
        ("Алексей Щербаков", "Aleksei Shcherbakov", "Александр Иванов"),  # another script
        ("Jürgen Müller", "Juergen Mueller", "Jochen Miller"),
        ("1200 North Fairview Avenue, Springfield", "1200 N Fairview Ave Springfield", "1200 South Elm St Springfield"),
    ],
)
def test_another_writing_is_nearer_than_another_person(
    embedder: NgramEmbedder, text: str, like: str, unlike: str
) -> None:
    assert similarity(embedder, text, like) > similarity(embedder, text, unlike)


def test_typing_errors_stay_near_and_strangers_far(embedder: NgramEmbedder) -> None:
    assert similarity(embedder, "Elizabeth Montgomery", "Elizabet Montgomrey") > 0.6
    assert similarity(embedder, "Elizabeth Montgomery", "Hiroshi Tanaka") < 0.4


def test_written_and_read_back() -> None:
    weights = np.random.default_rng(1).standard_normal((256, 8)).astype(np.float32)
    weights[3] = 0
    read = NgramEmbedder.from_bytes(NgramEmbedder(weights, "v1").to_bytes())
    assert (read.version, read.dimensions, read.weights.shape) == ("v1", 8, (256, 8))
    assert np.abs(read.weights - weights).max() <= np.abs(weights).max() / 127
    again = NgramEmbedder.from_bytes(read.to_bytes())  # rounding what is rounded changes nothing
    assert np.abs(again.weights - read.weights).max() < 1e-6


def test_quantised_weights_are_within_half_a_step() -> None:
    weights = np.random.default_rng(2).standard_normal((64, 16)).astype(np.float32) * np.float32(3)
    steps, scales = quantise(weights)
    assert steps.dtype == np.int8
    half_steps = scales.astype(np.float32)[:, None] * 0.55  # scales are rounded themselves
    assert (np.abs(dequantise(steps, scales) - weights) <= half_steps).all()


def test_what_is_not_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        NgramEmbedder.from_bytes(b"no model")


def test_importing_it_does_not_import_torch() -> None:
    code = (
        "import sys; from models.identity.embedding import NgramEmbedder; import actors.embedders; "
        "NgramEmbedder.shipped().embed(['Ann']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sentence_transformers', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
