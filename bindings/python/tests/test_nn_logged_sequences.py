"""TensorBoard's numbers and histograms of models of sequences: recurrent layers, attention, lengths."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exported import numbers
from martlet import nn

STEPS, SAMPLES = 6, 20
LENGTHS = np.arange(SAMPLES) % (STEPS + 1)
X, Y = numbers((SAMPLES, STEPS, 4)), numbers((SAMPLES, STEPS, 2), 5)


def reader() -> Any:
    inputs, lengths = nn.Input((STEPS, 4)), nn.Input((1,))
    x = nn.SequenceMask()(inputs, lengths)
    x = x + nn.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = nn.Bidirectional(nn.LSTM(5, return_sequences=True), name="both")(x)
    x = nn.GRU(5, return_sequences=True, name="gru")(x)
    model = nn.Model([inputs, lengths], nn.Dense(2, name="last")(x), seed=4)
    model.compile(nn.Adam(0.01), "mse", ["mae"])
    return model


class KeepsWeights(nn.Callback):
    """Of each epoch, by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[dict[str, Any]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        layers = self.model.layers
        self.epochs.append({
            name: one for layer in layers for name, one in zip(layer.weight_names, layer.get_weights(), strict=True)
        })  # fmt: skip


def fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Of a protocol buffer's message, by their numbers."""

    def varint() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = content[place]
            place, value, shift = place + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    place = 0
    while place < len(content):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 2: None, 5: 4}[key & 7]
        size = varint() if size is None else size
        part, place = content[place : place + size], place + size
        yield key >> 3, struct.unpack("<d" if key & 7 == 1 else "<f", part)[0] if key & 7 in (1, 5) else part


def summaries(folder: Path) -> Iterator[tuple[str, int, dict[int, Any]]]:
    """Tag, step and value of each."""
    (path,) = folder.iterdir()
    content = path.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event, content = dict(fields(content[12 : 12 + length])), content[16 + length :]
        if 5 in event:
            ((_, value),) = fields(event[5])
            found = dict(fields(value))
            yield found[1].decode(), event[2], found


@pytest.fixture(scope="module")
def logged(tmp_path_factory: Any) -> Any:
    folder, kept, model = tmp_path_factory.mktemp("logs"), KeepsWeights(), reader()
    board = nn.TensorBoard(folder, histogram_freq=2, update_freq="batch")
    data: Any = ([X, LENGTHS], Y)
    history = model.fit(*data, batch_size=8, epochs=3, validation_data=data, callbacks=[board, kept], verbose=0)
    return folder, history.history, kept.epochs


def test_numbers_are_those_of_training(logged: Any) -> None:
    folder, history, _ = logged
    found: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for part in ("train", "validation"):
        for tag, step, value in summaries(folder / part):
            if 2 in value:
                found.setdefault((part, tag), []).append((step, value[2]))
    for name in ("loss", "mae"):
        for part, key in (("train", name), ("validation", f"val_{name}")):
            assert found[part, f"epoch_{name}"] == [(k, np.float32(one)) for k, one in enumerate(history[key])]
        assert [step for step, _ in found["train", f"batch_{name}"]] == [*range(1, 10)]
        assert found["train", f"batch_{name}"][-1][1] == np.float32(history[name][-1])
    assert found["train", "epoch_learning_rate"] == [(epoch, np.float32(0.01)) for epoch in range(3)]


def test_histograms_are_those_of_weights(logged: Any) -> None:
    folder, _, epochs = logged
    found = {(tag, step): dict(fields(value[5])) for tag, step, value in summaries(folder / "train") if 5 in value}
    names = [*epochs[0]]
    assert {"attention_query/kernel", "both_forward/recurrent_kernel", "both_backward/bias", "gru/bias"} <= {*names}
    assert found.keys() == {(f"{name}/histogram", epoch) for name in names for epoch in (0, 2)}
    for (tag, epoch), histogram in found.items():
        weight = epochs[epoch][tag.removesuffix("/histogram")].astype(np.float64).reshape(-1)
        measures = [weight.min(), weight.max(), weight.size, weight.sum(), (weight**2).sum()]
        np.testing.assert_allclose([histogram[field] for field in range(1, 6)], measures, rtol=1e-12, atol=1e-12)
        limits, counts = (np.frombuffer(histogram[field], "<f8") for field in (6, 7))
        assert len(limits) == len(counts) == 31 and (np.diff(limits) > 0).all()
        # The largest belongs to the last range.
        up_to = [(weight < limit).sum() for limit in limits[:-1]] + [weight.size]
        np.testing.assert_array_equal(np.cumsum(counts), up_to)


def test_weights_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    model = reader()
    weights = model.get_weights()
    weights[0].reshape(-1)[:3] = np.nan, np.inf, -np.inf
    weights[-1][:] = np.nan
    model.set_weights(weights)
    model.compile(nn.SGD(0.0), "mse")
    board = nn.TensorBoard(tmp_path, histogram_freq=1)
    board.set_model(model)
    board.on_epoch_begin(0)
    board.on_epoch_end(0, {})
    board.on_train_end()
    found = {tag: dict(fields(value[5])) for tag, _, value in summaries(tmp_path / "train") if 5 in value}
    assert found["attention_query/kernel/histogram"][3] == weights[0].size - 3
    assert "last/bias/histogram" not in found and "last/kernel/histogram" in found


def test_tensorboard_reads_them(logged: Any) -> None:
    """By its own reader, where it is installed."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder, history, epochs = logged
    events = loader.EventAccumulator(str(folder / "train"), size_guidance={"histograms": 0, "tensors": 0})
    events.Reload()
    assert [one.value for one in events.Scalars("epoch_loss")] == [np.float32(one) for one in history["loss"]]
    assert {*events.Tags()["histograms"]} == {f"{name}/histogram" for name in epochs[0]}
    for one in events.Histograms("gru/recurrent_kernel/histogram"):
        weight = epochs[one.step]["gru/recurrent_kernel"]
        value = one.histogram_value
        assert (value.min, value.max, value.num) == (weight.min(), weight.max(), weight.size)
        assert sum(value.bucket) == weight.size
