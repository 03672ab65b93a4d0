"""Keras's attention, layers that read from both ends, masks and RMS norms: taken over alive and from .keras files, and
given back, beside what Keras predicts; and files that say more than they hold."""

from __future__ import annotations

import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

from exported import alike, numbers
from martlet import nn
from martlet._errors import FormatError, UnsupportedError

K = keras.layers

CASES: dict[str, Callable[[Any], Any]] = {
    "attention": lambda x: K.MultiHeadAttention(2, 3)(x, x),
    "attention, causal": lambda x: K.MultiHeadAttention(2, 3, use_bias=False)(x, x, use_causal_mask=True),
    "attention over others": lambda x: K.MultiHeadAttention(2, 3)(
        query=K.Dense(4)(x), value=K.Conv1D(5, 2)(x), key=K.Conv1D(3, 2)(x)
    ),
    "RMSNormalization": lambda x: K.RMSNormalization()(x),
    "both ways": lambda x: K.Bidirectional(K.LSTM(3, return_sequences=True), merge_mode="ave")(x),
    "reset first": lambda x: K.GRU(3, reset_after=False)(K.GRU(4, reset_after=False, return_sequences=True)(x)),
    "both ways, two layers": lambda x: K.Bidirectional(
        K.GRU(3), backward_layer=K.GRU(3, go_backwards=True, use_bias=False)
    )(x),
}


def seeded(make: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, make(inputs))
    model.set_weights([weight + numbers(weight.shape, place) / 9 for place, weight in enumerate(model.get_weights())])
    return model


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name: str, tmp_path: Path) -> None:
    theirs, x = seeded(CASES[name]), numbers((4, 5, 6))
    theirs.save(tmp_path / "model.keras")
    right = np.asarray(theirs(x, training=False))
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        alike(model.predict(x), right)
    back = nn.to_keras(model, tmp_path / "back.keras")
    alike(np.asarray(back(x, training=False)), right)
    for other in theirs.layers:
        mine = back.get_layer(other.name)
        for array, right_array in zip(mine.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(array, right_array)
        wanted, found = other.get_config(), mine.get_config()
        for key in ("num_heads", "key_dim", "value_dim", "merge_mode", "use_bias"):
            assert found.get(key) == wanted.get(key)
    np.testing.assert_array_equal(nn.from_keras(tmp_path / "back.keras").predict(x), model.predict(x))


def test_masks_of_chains(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    theirs = keras.Sequential([keras.Input((5, 6)), K.Masking(), K.Bidirectional(K.GRU(3))])
    theirs.save(tmp_path / "model.keras")
    x = numbers((4, 5, 6))
    x[1, 3:] = x[2, :2] = 0
    right = np.asarray(theirs(x, training=False))
    for source in (theirs, tmp_path / "model.keras"):
        model = nn.from_keras(source)
        alike(model.predict(x), right)
    alike(np.asarray(nn.to_keras(model)(x, training=False)), right)


def test_what_attention_is_not_led_over_is_named() -> None:
    for make, text in (
        (lambda x: K.MultiHeadAttention(2, 3, output_shape=(4,))(x, x), "has output_shape"),
        (lambda x: K.MultiHeadAttention(2, 3)(x, x, return_attention_scores=True)[0], "return_attention_scores"),
    ):
        with pytest.raises(UnsupportedError, match=text):
            nn.from_keras(seeded(make))
    inputs = nn.Input((5, 6))
    with pytest.raises(UnsupportedError, match="KerasHub"):
        nn.to_keras(nn.Model(inputs, nn.PositionEmbedding(5)(inputs)))


def changed(source: Path, target: Path, change: Callable[[Any], None], weights: bytes | None = None) -> None:
    """Another file, with another config, or other arrays."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, weights if weights is not None and name == "model.weights.h5" else content)


def test_a_small_file_takes_no_memory_by_words(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    keras.Sequential([keras.Input((5,)), K.Dense(2, name="dense")]).save(tmp_path / "model.keras")

    def enlarge(config: Any) -> None:
        config["config"]["layers"][-1]["config"]["units"] = 400_000_000

    changed(tmp_path / "model.keras", tmp_path / "words.keras", enlarge)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        place = file.create_group("layers/dense/vars")
        place.create_dataset("0", (5, 400_000_000), "float32")  # of which the file has nothing
        place.create_dataset("1", (400_000_000,), "float32")
    content = (tmp_path / "weights.h5").read_bytes()
    assert len(content) < 20_000
    changed(tmp_path / "model.keras", tmp_path / "arrays.keras", enlarge, content)
    tracemalloc.start()
    before = int(Path("/proc/self/statm").read_text().split()[1])
    with pytest.raises(FormatError, match="'dense' has 12 weights; wanted 2400000000, as its config says"):
        nn.from_keras(tmp_path / "words.keras")
    with pytest.raises(FormatError, match=r"of whose 8000000000 bytes the file has 0"):
        nn.from_keras(tmp_path / "arrays.keras")
    after = int(Path("/proc/self/statm").read_text().split()[1])
    assert tracemalloc.get_traced_memory()[1] < 2**26 and (after - before) * os.sysconf("SC_PAGE_SIZE") < 2**28
    tracemalloc.stop()
