"""Trains the n-gram embedding that Onefold ships, on made-up people, and measures it on others.

    python -m pipelines.train_embedding --output DIR --seed 1

writes to DIR `onefold_names.npz` (what NumPy reads: `models.identity.embedding`), `sentence-transformers/` (the same
weights for that library) and `figures.json`. The same seed and versions give the same weights.

The loss is the multiple-negatives ranking loss (Henderson et al., 2017; van den Oord et al., 2018): of a batch of
writings, each has to be nearer to the other writing of its person than to all others, among them one that was made to
look alike. A batch is of one kind of text, so that it cannot be told apart by its kind.
"""

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from rich.console import Console
from rich.table import Table
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from models.identity.embedding import MODEL_FILE, SHIPPED_MODEL, NgramEmbedder
from pipelines.embedding_module import sentence_transformer
from pipelines.embedding_pairs import KINDS, Kind, Triplet, make_triplets
from pipelines.embedding_retrieval import Method, Recall, by_embedding, by_jaro_winkler, by_trigrams, measure_recall
from pipelines.embedding_words import Words, load_words

LIBRARY_DIR, FIGURES_FILE = "sentence-transformers", "figures.json"
_SHARES: dict[Kind, float] = {"name": 0.35, "address": 0.15, "record": 0.5}
# Of cosines, before the softmax. At the library's 20 only the nearest others count, and records of one person that
# share little drift apart; lower, addresses that differ in a house number do not.
_SCALE = 15.0
_WARMUP = 0.05  # of all steps


@dataclass(frozen=True)
class Training:
    """What decides the weights."""

    seed: int = 1
    triplets: int = 1_000_000
    epochs: int = 2
    batch: int = 1024
    learning_rate: float = 0.3
    buckets: int = 1 << 15
    dimensions: int = 128


def train(settings: Training, words: Words) -> NgramEmbedder:
    """A model, its weights rounded as they are shipped."""
    data = {kind: _dataset(settings, words, kind) for kind in KINDS}
    torch.manual_seed(settings.seed)
    model = sentence_transformer(settings.buckets, settings.dimensions)
    with tempfile.TemporaryDirectory() as scratch:
        SentenceTransformerTrainer(
            model=model,
            args=_arguments(settings, scratch),
            train_dataset=DatasetDict(data),
            loss=MultipleNegativesRankingLoss(model, scale=_SCALE),
        ).train()
    weights = model[0].weight.detach().numpy()
    # The file's own rounding, so that both forms of the model are one function.
    rounded = NgramEmbedder.from_bytes(NgramEmbedder(weights, SHIPPED_MODEL).to_bytes()).weights
    digest = hashlib.sha256(rounded.tobytes()).hexdigest()[:8]
    return NgramEmbedder(rounded, f"{SHIPPED_MODEL}-{digest}")


def evaluate(embedder: NgramEmbedder, seed: int, words: Words, count: int) -> dict[str, dict[Kind, Recall]]:
    """Recall of the model and its rivals on `count` triplets of each kind, of words that it was not trained on."""
    methods: dict[str, Method] = {
        SHIPPED_MODEL: by_embedding(embedder),
        "trigram tf-idf": by_trigrams,
        "Jaro-Winkler": by_jaro_winkler,
    }
    # Another generator than in training, whatever the seed: made-up people of one seed would be alike.
    held_out = {kind: list(make_triplets(-1 - seed, words, kind, count)) for kind in KINDS}
    return {
        name: {kind: measure_recall(triplets, method) for kind, triplets in held_out.items()}
        for name, method in methods.items()
    }


def save(embedder: NgramEmbedder, output: Path) -> None:
    """Writes both forms of the model."""
    output.mkdir(parents=True, exist_ok=True)
    (output / MODEL_FILE).write_bytes(embedder.to_bytes())
    buckets, dimensions = embedder.weights.shape
    library_form = sentence_transformer(buckets, dimensions, embedder.weights)
    library_form.save(str(output / LIBRARY_DIR), create_model_card=False)


def _dataset(settings: Training, words: Words, kind: Kind) -> Any:
    triplets = list(make_triplets(settings.seed, words, kind, int(settings.triplets * _SHARES[kind])))
    return Dataset.from_dict({column: [getattr(t, column) for t in triplets] for column in Triplet._fields})


def _arguments(settings: Training, scratch: str) -> Any:
    return SentenceTransformerTrainingArguments(
        output_dir=scratch,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=_WARMUP,
        weight_decay=0.0,
        seed=settings.seed,
        dataloader_drop_last=True,
        multi_dataset_batch_sampler="proportional",
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        logging_steps=100,
        disable_tqdm=not sys.stderr.isatty(),
    )


def _table(figures: dict[str, dict[Kind, Recall]]) -> Table:
    table = Table(title="recall@1 / recall@10, words never trained on")
    for column in ("", *KINDS):
        table.add_column(column)
    for name, of_kind in figures.items():
        table.add_row(name, *(f"{of_kind[kind].at_1:.3f} / {of_kind[kind].at_10:.3f}" for kind in KINDS))
    return table


def main() -> None:
    """The command."""
    defaults = Training()
    parser = argparse.ArgumentParser(prog="pipelines.train_embedding", description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="directory to write to")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--triplets", type=int, default=defaults.triplets, help="made-up people to train on")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--dimensions", type=int, default=defaults.dimensions)
    parser.add_argument("--buckets", type=int, default=defaults.buckets, help="a power of two")
    parser.add_argument("--evaluate", type=int, default=4000, help="made-up people of each kind to measure with")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = Training(
        seed=chosen.seed, triplets=chosen.triplets, epochs=chosen.epochs, dimensions=chosen.dimensions,
        buckets=chosen.buckets,
    )  # fmt: skip
    started = time.monotonic()
    words, held_out = load_words(settings.seed)
    embedder = train(settings, words)
    trained_s = time.monotonic() - started
    save(embedder, chosen.output)
    figures = evaluate(embedder, settings.seed, held_out, chosen.evaluate)
    told = {name: {kind: recall._asdict() for kind, recall in of_kind.items()} for name, of_kind in figures.items()}
    about = {"version": embedder.version, "trained_s": round(trained_s), "recall": told}
    (chosen.output / FIGURES_FILE).write_text(json.dumps(about, indent=1) + "\n")
    Console().print(_table(figures))
    Console().print(f"{embedder.version}: trained in {trained_s:.0f} s, written to {chosen.output}")


if __name__ == "__main__":
    main()
