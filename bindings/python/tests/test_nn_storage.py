"""What a model's training keeps in other types: moments in 16, 8 and 4 bits, with the bits that martlet.optim has over
the same arrays, through files and in memory; and copies of the weights that each step leaves."""

from __future__ import annotations

import copy
import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from by_number import CLASSES, name_of, noise, told
from conftest import Run
from martlet import _algorithms, _groups, nn, optim
from martlet._config import defaults
from martlet._errors import ArgumentError, DTypeError, FormatError

NDArray = np.ndarray[Any, Any]
WORDS = ["bf16", "float16", "fp16", "int8", "int4"]
ALL = sorted(_algorithms.numbers())
X, Y = noise(1, (16, 256)).astype(np.float32), noise(2, (16, 3)).astype(np.float32)


def network(optimizer: Any) -> nn.Sequential:
    """A kernel whose sides are multiples of a block, and weights that are too small for any."""
    layers = [nn.Dense(256, activation="tanh", input_shape=(256,), name="wide"), nn.Dense(3, name="out")]
    model = nn.Sequential(layers, seed=1)
    model.compile(optimizer, "mse")
    return model


def optimizer_of(number: int, word: str) -> nn.Optimizer:
    made = nn.optimizers.of(_groups.completed(defaults(number), {"lr": 0.01, "seed": 11, **told(number)}))
    made._storage = made._storage._replace(state_dtype=word)
    return made


class Beside:
    """martlet.optim over copies of a model's weights, in the model's parameters: to what steps element by element these
    are the large kernel, and all that follows as one, or in bf16 each by itself; to what sees rows of outputs kernels
    are turned."""

    def __init__(self, model: nn.Sequential, word: str) -> None:
        number, weights = model.optimizer._algorithm, model.get_weights()
        kind = _algorithms.of(number)
        self.turns = kind.name in ("muon", "soap", "shampoo", "adam_mini")
        is_alone = kind.is_whole or word == "bf16"
        self.shapes = [weight.shape for weight in weights] if is_alone else [(256, 256), (256 + 3 * 257,)]
        self.parts = self.split(model.parameters())
        options = _groups.as_group(model.optimizer.hyperparameters())
        groups: list[dict[str, Any]] = [{"params": [part], **options} for part in self.parts]
        if not kind.takes_vectors:
            beside = {"algorithm": "adamw", **_groups.as_group(model.optimizer._others[0].changed({"lr": 0.01}))}
            groups = [
                {"params": group["params"], **beside} if group["params"][0].ndim < 2 else group for group in groups
            ]
        self.optimizer = CLASSES[number](groups, state_dtype=word)

    def split(self, flat: NDArray) -> list[NDArray]:
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        shaped = [part.reshape(shape) for part, shape in zip(np.split(flat, ends), self.shapes, strict=True)]
        return [np.array(part.T if self.turns else part, order="C") for part in shaped]

    def step(self, gradients: NDArray) -> None:
        self.optimizer.step(self.split(gradients))

    def flat(self) -> NDArray:
        if hasattr(self.optimizer, "eval"):
            self.optimizer.eval()
        found = np.concatenate([(part.T if self.turns else part).ravel() for part in self.parts])
        if hasattr(self.optimizer, "train"):
            self.optimizer.train()
        return found


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("number", ALL, ids=name_of)
def test_the_bits_of_arrays_and_of_files(number: int, word: str, tmp_path: Path) -> None:
    model = network(optimizer_of(number, word))
    other = Beside(model, word)
    for _ in range(3):
        model.train_on_batch(X, Y)
        other.step(model.gradients())
        assert np.array_equal(model.parameters(), other.flat())
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = nn.load_model(path)
    assert loaded.optimizer.state_dtype == word
    assert loaded.optimizer.hyperparameters() == model.optimizer.hyperparameters()
    for each in (model, loaded):
        each.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert np.array_equal(model.parameters(), loaded.parameters())


@pytest.mark.parametrize(
    ("word", "bytes_each"), [("fp32", 8.0), ("bf16", 4.0), ("fp16", 4.0313), ("int8", 2.0313), ("int4", 1.0625)]
)
def test_resident_memory(run_python: Run, word: str, bytes_each: float) -> None:
    """Bytes of a parameter that Adam's moments take, of 16 million, beside a model that is trained by plain descent."""
    script = f"""
import numpy as np, martlet
from martlet import nn
martlet.set_num_threads(1)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
x, y = np.ones((2, 4096), np.float32), np.ones((2, 4096), np.float32)
def taken(optimizer):
    model = nn.Sequential([nn.Dense(4096, input_shape=(4096,), kernel_initializer="zeros")])
    model.compile(optimizer, "mse")
    model.parameters()
    before = resident()
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    return resident() - before
taken(nn.SGD(0.1))
print((taken(nn.Adam(state_dtype={word!r})) - taken(nn.SGD(0.1))) / 4096**2)
"""
    assert float(run_python(script).stdout) == pytest.approx(bytes_each, abs=0.05)


def test_a_loss_that_plain_fp16_has_no_squares_for() -> None:
    ends = {}
    for word in ("fp32", "fp16", "float16"):
        model = network(nn.Adam(0.01, epsilon=1e-12, state_dtype=word, loss_scale=1e5))  # gradients of about 1e-8
        for _ in range(20):
            model.train_on_batch(X, Y)
        ends[word] = model.get_weights()[0]
    start = network("sgd").get_weights()[0]
    way = np.linalg.norm(ends["fp32"] - start)
    assert np.linalg.norm(ends["fp16"] - ends["fp32"]) < 0.01 * way
    assert not np.linalg.norm(ends["float16"] - ends["fp32"]) < 0.1 * way


def test_what_stays_wide(tmp_path: Path) -> None:
    """By the tensors of a file."""
    model = network(nn.Muon(0.01, state_dtype="int8", ema_decay=0.5))
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model")
    header = header_of(tmp_path / "model")
    types = {name: entry["dtype"] for name, entry in header.items() if "." in name}
    assert types["wide/kernel.momentum_buffer.float8"] == "U8"
    assert types["wide/kernel.momentum_buffer.scales"] == types["wide/kernel.ema_params"] == "F32"
    assert types["out/kernel.momentum_buffer"] == types["wide/bias.exp_avg_sq"] == "F32"
    assert "wide/kernel.momentum_buffer" not in types


def header_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    return header


def test_files_that_say_otherwise(tmp_path: Path) -> None:
    model = network(nn.Adam(state_dtype="int8", seed=7))
    model.train_on_batch(X, Y)
    path, wrong = tmp_path / "model", tmp_path / "wrong"
    model.save(path)
    data, header = path.read_bytes(), header_of(path)
    (size,) = struct.unpack("<Q", data[:8])
    training = header["__metadata__"]["training"]
    assert training.endswith("state_dtype=10")
    changes = [
        ("training", training.replace("=10", f"={number}")) for number in (0, 1, 3, 5, 11, 12, 14, 15, -1, 2**40)
    ]
    changes += [("training", training.replace("state_dtype=10", "")), ("optimizer.seed", "x")]
    for key, text in changes:
        changed = copy.deepcopy(header)
        changed["__metadata__"][key] = text
        blob = json.dumps(changed).encode()
        blob += b" " * (-len(blob) % 8)
        wrong.write_bytes(struct.pack("<Q", len(blob)) + blob + data[8 + size :])
        with pytest.raises(FormatError):
            nn.load_model(wrong)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, "fp16"], ids=str)
@pytest.mark.parametrize("word", ["fp32", "int8"])
@pytest.mark.parametrize("kind", [nn.Adam, nn.Lamb, nn.Muon])
def test_each_step_leaves_a_copy(kind: type[nn.Optimizer], word: str, dtype: Any) -> None:
    """Of views by themselves, in runs, and of kernels that are turned."""
    layers: list[Any] = [nn.Conv2D(6, 3, activation="relu", name="conv"), nn.Flatten(), nn.Dense(64, name="wide")]
    model = nn.Sequential([nn.Input((12, 12, 3)), *layers, nn.Dense(4, name="out")], seed=1)
    more = {"rules": {"conv": "muon"}} if kind is nn.Muon else {}
    optimizer = kind(learning_rate=0.01, state_dtype=word, param_copy=dtype, **more)  # type: ignore[call-arg]
    model.compile(optimizer, "mse")
    assert optimizer.param_copies == {}
    x, y = noise(1, (8, 12, 12, 3)).astype(np.float32), noise(2, (8, 4)).astype(np.float32)
    wanted = np.float16 if dtype == "fp16" else dtype
    for step in range(3):
        model.train_on_batch(x, y) if step < 2 else model.fit(x, y, batch_size=3, verbose=0)
        copies = optimizer.param_copies
        names = ["conv/kernel", "conv/bias", "wide/kernel", "wide/bias", "out/kernel", "out/bias"]
        assert list(copies) == names
        for array, weight in zip(copies.values(), model.get_weights(), strict=True):
            assert array.dtype == wanted and not array.flags.writeable
            assert np.array_equal(array, weight.astype(wanted))


def test_copies_come_and_go(tmp_path: Path) -> None:
    model = network(nn.Adam(0.01))
    model.train_on_batch(X, Y)
    optimizer = model.optimizer
    assert optimizer.param_copies == {} and optimizer.param_copy is None
    optimizer.param_copy = np.float16
    first = optimizer.param_copies["wide/kernel"]
    assert np.array_equal(first, model.get_weights()[0].astype(np.float16))
    kept = first.copy()
    model.train_on_batch(X, Y)
    assert not np.array_equal(first, kept)
    assert np.array_equal(first, model.get_weights()[0].astype(np.float16))
    optimizer.param_copy = None
    kept = first.copy()
    model.train_on_batch(X, Y)
    assert np.array_equal(first, kept) and optimizer.param_copies == {}
    model.save(tmp_path / "model")
    loaded = nn.load_model(tmp_path / "model")
    assert loaded.optimizer.param_copies == {}
    loaded.optimizer.param_copy = ml_dtypes.bfloat16
    loaded.train_on_batch(X, Y)
    found = loaded.optimizer.param_copies["out/bias"]
    del model, optimizer, loaded
    assert found.shape == (3,)
    skipping = network(nn.Adam(0.01, param_copy=np.float16, skip_nonfinite=True))
    skipping.train_on_batch(X, Y)
    kept = skipping.optimizer.param_copies["wide/kernel"].copy()
    skipping.train_on_batch(X * np.inf, Y, check=False)
    assert np.array_equal(skipping.optimizer.param_copies["wide/kernel"], kept)
    assert copy.deepcopy(skipping.optimizer).param_copies == {}


def test_words_and_what_is_none() -> None:
    for given, word in (
        (np.float32, "fp32"),
        ("float16", "float16"),
        (np.float16, "float16"),
        (ml_dtypes.bfloat16, "bf16"),
        ("INT8", "int8"),
    ):
        assert nn.Adam(state_dtype=given).state_dtype == word
    assert nn.Adam().state_dtype == nn.Muon().state_dtype == "fp32"
    for wrong in ("int2", "float64", np.float64, np.uint8):
        with pytest.raises(ArgumentError, match="state_dtype is .*; wanted one of .*int4"):
            nn.Adam(state_dtype=wrong)
    for none in (8, [1]):
        with pytest.raises(DTypeError, match="state_dtype is"):
            nn.Muon(state_dtype=none)
    for wrong_copy in ("int8", np.int32, np.complex64, np.float64, "x"):
        with pytest.raises(DTypeError, match="param_copy"):
            nn.Lamb(param_copy=wrong_copy)


def test_an_optimizer_over_arrays_says_it_too() -> None:
    arrays = optim.Adam(lr=0.01, state_dtype="int8", param_copy=np.float16)
    model = network(arrays)
    model.train_on_batch(X, Y)
    assert model.optimizer.state_dtype == "int8"
    assert model.optimizer.param_copies["out/kernel"].dtype == np.float16
