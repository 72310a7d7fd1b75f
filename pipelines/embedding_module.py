"""The static n-gram embedding as a sentence-transformers module, to be trained and evaluated with that library."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule
from sentence_transformers.sentence_transformer.modules import Normalize
from torch import nn

from models.identity.ngrams import NgramHasher


class BagSum(torch.autograd.Function):
    """Sums of rows of a table, one for each bag, as a sparse matrix product: `EmbeddingBag(mode="sum")` on a
    processor, where its gradient of 150,000 rows takes ten times as long as this one."""

    @staticmethod
    def forward(ctx: Any, weights: Any, ids: Any, offsets: Any) -> Any:
        """`weights` (buckets, dimensions), `ids` of all bags, `offsets` (bags + 1): gives (bags, dimensions)."""
        ones = np.ones(len(ids), np.float32)
        ctx.counts = csr_array((ones, ids.numpy(), offsets.numpy()), shape=(len(offsets) - 1, len(weights)))
        return torch.from_numpy(ctx.counts @ weights.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradient with regard to `weights`."""
        return torch.from_numpy(ctx.counts.T @ gradients[0].numpy()), None, None


class NgramEmbedding(InputModule):
    """Hashed character n-grams of each text, their vectors' sum. Like the library's StaticEmbedding, without a
    tokenizer: n-grams have no vocabulary."""

    config_keys: list[str] = ["buckets", "dimensions"]  # noqa: RUF012 - the base class declares it so

    def __init__(self, buckets: int, dimensions: int) -> None:
        super().__init__()
        self.buckets, self.dimensions = buckets, dimensions
        self.hasher = NgramHasher(buckets)
        self.weight = nn.Parameter(torch.randn(buckets, dimensions))

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """The features of texts: `input_ids` of all, and where each text's begin and end."""
        ids, offsets = self.hasher.bags([(prompt or "") + text for text in inputs])
        return {"input_ids": torch.from_numpy(ids), "offsets": torch.from_numpy(offsets)}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds `sentence_embedding`, shape (texts, dimensions), not normalised."""
        features["sentence_embedding"] = BagSum.apply(self.weight, features["input_ids"], features["offsets"])
        return features

    def get_embedding_dimension(self) -> int:
        """Length of a vector."""
        return self.dimensions

    @property
    def max_seq_length(self) -> float:
        """Texts of any length."""
        return float("inf")

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **kwargs: Any) -> None:
        """Writes the configuration and the weights to a directory."""
        os.makedirs(output_path, exist_ok=True)
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(cls, model_name_or_path: str, *args: Any, **kwargs: Any) -> "NgramEmbedding":
        """Reads what `save` wrote. The library asks for leave to run this code: `trust_remote_code=True`."""
        where = {"subfolder": kwargs.get("subfolder", ""), "local_files_only": kwargs.get("local_files_only", False)}
        module = cls(**cls.load_config(model_name_or_path, **where))
        cls.load_torch_weights(model_name_or_path, model=module, **where)
        return module


def sentence_transformer(buckets: int, dimensions: int, weights: NDArray[np.float32] | None = None) -> Any:
    """A SentenceTransformer of an n-gram embedding, with these weights (buckets, dimensions) or random ones."""
    module = NgramEmbedding(buckets, dimensions)
    if weights is not None:
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(weights))
    return SentenceTransformer(modules=[module, Normalize()], device="cpu")
