"""The embedding with the library that trains it: one function in both, reproducible training, other models.

Not unit tests: importing torch takes seconds.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from actors.embedders import LibraryEmbedder, load_embedder
from models.identity.embedding import SHIPPED_MODEL, NgramEmbedder
from pipelines.embedding_module import NgramEmbedding, sentence_transformer
from pipelines.embedding_pairs import make_triplets
from pipelines.embedding_retrieval import by_embedding, by_jaro_winkler, by_trigrams, measure_recall
from pipelines.embedding_words import Words, load_words
from pipelines.train_embedding import Training, save, train

TEXTS = ["John Smith", "Владимир Иванов 19840712", "", "12 Elm St, Springfield 62701", "...", "x" * 500]


@pytest.fixture(scope="module")
def words() -> tuple[Words, Words]:
    return load_words(1)


def test_numpy_and_torch_are_one_function() -> None:
    shipped = NgramEmbedder.shipped()
    buckets, dimensions = shipped.weights.shape
    of_library = sentence_transformer(buckets, dimensions, shipped.weights).encode(TEXTS, show_progress_bar=False)
    assert np.abs(shipped.embed(TEXTS) - of_library).max() < 1e-3


def test_gradient_is_that_of_embedding_bag() -> None:
    import torch

    module = NgramEmbedding(256, 4)
    features = module.preprocess(TEXTS)
    module(features)["sentence_embedding"].square().sum().backward()
    bags = torch.nn.EmbeddingBag(256, 4, mode="sum")
    with torch.no_grad():
        bags.weight.copy_(module.weight)
    sums = bags(features["input_ids"], features["offsets"][:-1].to(torch.int32))
    sums.square().sum().backward()
    assert module.weight.grad is not None and bags.weight.grad is not None
    assert torch.allclose(module.weight.grad, bags.weight.grad, rtol=1e-4, atol=1e-3)


def test_training_is_reproducible_and_helps(words: tuple[Words, Words], tmp_path: Path) -> None:
    training, held_out = words
    small = Training(seed=5, triplets=6000, epochs=1, batch=128, buckets=1 << 12, dimensions=32)
    first, again = train(small, training), train(small, training)
    assert first.version == again.version
    assert np.array_equal(first.weights, again.weights)

    triplets = list(make_triplets(-6, held_out, "name", 300))
    random_weights = np.random.default_rng(5).standard_normal(first.weights.shape).astype(np.float32)
    untrained = measure_recall(triplets, by_embedding(NgramEmbedder(random_weights, "random")))
    assert measure_recall(triplets, by_embedding(first)).at_1 > untrained.at_1 + 0.05

    save(first, tmp_path)
    read = load_embedder(str(tmp_path))
    assert read.version == first.version
    assert np.array_equal(read.embed(TEXTS), first.embed(TEXTS))
    of_library = SentenceTransformer(str(tmp_path / "sentence-transformers"), trust_remote_code=True)
    assert np.abs(of_library.encode(TEXTS, show_progress_bar=False) - first.embed(TEXTS)).max() < 1e-3


def test_made_up_people_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from pipelines.embedding_pairs import KINDS, make_triplets; "
        "from pipelines.embedding_words import load_words; words = load_words(1); "
        "triplets = [list(make_triplets(1, words[0], kind, 300)) for kind in KINDS]; "
        "print(hashlib.sha256(repr((words, triplets)).encode()).hexdigest())"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        output = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE)
        digests.add(output.stdout)
    assert len(digests) == 1


def test_shipped_model_finds_more_than_its_rivals(words: tuple[Words, Words]) -> None:
    triplets = list(make_triplets(-7, words[1], "name", 500))
    shipped = measure_recall(triplets, by_embedding(NgramEmbedder.shipped()))
    for rival in (by_trigrams, by_jaro_winkler):
        assert shipped.at_10 > measure_recall(triplets, rival).at_10


def test_any_model_of_the_library_can_be_loaded(tmp_path: Path) -> None:
    words = {"[UNK]": 0, "john": 1, "smith": 2, "mary": 3}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.eye(4, 6, dtype=np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")
    model.save(str(tmp_path / "tiny"), create_model_card=False)
    embedder = load_embedder(str(tmp_path / "tiny"), local_files_only=True)
    assert isinstance(embedder, LibraryEmbedder)
    vectors = embedder.embed(["john smith", "mary", "", "mary"])
    assert vectors.shape == (4, embedder.dimensions) == (4, 6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 0, 1])
    assert np.array_equal(vectors[1], vectors[3])
    assert embedder.version.startswith("tiny-")


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=SHIPPED_MODEL):
        load_embedder(str(tmp_path / "missing"), local_files_only=True)
