"""How well texts find their like: recall among thousands of others, beside two simple rivals.

Each query is one writing of a person; what is searched holds the other writing of each, and for each somebody who
looks like them. `recall@k` is the share of queries whose other writing is among the k nearest.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cdist
from sklearn.feature_extraction.text import TfidfVectorizer

from models.identity.embedding import Embedder
from models.identity.fold import fold
from pipelines.embedding_pairs import Triplet

# Similarities of some queries to all texts searched, shape (queries, texts); made once for one set of texts.
Scorer = Callable[[Sequence[str]], NDArray[Any]]
Method = Callable[[Sequence[str]], Scorer]
_QUERIES_AT_ONCE = 500


class Recall(NamedTuple):
    """Shares of queries, in [0, 1]."""

    at_1: float
    at_10: float


def measure_recall(triplets: Sequence[Triplet], method: Method) -> Recall:
    """Recall of anchors among all positives and negatives. Equally near texts are counted against the method."""
    positives = [triplet.positive for triplet in triplets]
    scorer = method(positives + [triplet.negative for triplet in triplets])
    nearer: list[NDArray[np.int64]] = []
    for start in range(0, len(triplets), _QUERIES_AT_ONCE):
        queries = [triplet.anchor for triplet in triplets[start : start + _QUERIES_AT_ONCE]]
        scores = scorer(queries)
        own = scores[np.arange(len(queries)), start + np.arange(len(queries))]
        nearer.append((scores >= own[:, None]).sum(axis=1) - 1)
    ranks = np.concatenate(nearer)
    return Recall(float((ranks < 1).mean()), float((ranks < 10).mean()))


def by_embedding(embedder: Embedder) -> Method:
    """Cosine similarity of embeddings."""

    def searched(texts: Sequence[str]) -> Scorer:
        vectors = embedder.embed(texts)
        return lambda queries: embedder.embed(queries) @ vectors.T

    return searched


def by_trigrams(texts: Sequence[str]) -> Scorer:
    """Cosine similarity of tf-idf weighted character trigrams, all of them: thousands of dimensions."""
    vectoriser = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3), sublinear_tf=True)
    vectors = vectoriser.fit_transform(fold(text) for text in texts)
    return lambda queries: (vectoriser.transform(fold(query) for query in queries) @ vectors.T).toarray()


def by_jaro_winkler(texts: Sequence[str]) -> Scorer:
    """Jaro-Winkler similarity of the texts as they stand, folded: every pair has to be compared."""
    folded = [fold(text) for text in texts]
    return lambda queries: cdist([fold(query) for query in queries], folded, scorer=JaroWinkler.similarity)
