"""File names: one check of them for all that reads and writes files, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import martlet
from martlet import data, nn
from martlet.optim import Adam


def optimizer() -> Adam:
    return Adam([np.zeros(3)])


def model() -> nn.Sequential:
    return nn.Sequential([nn.Dense(2, input_shape=(3,))], seed=1)


CALLS: dict[str, Callable[[Any], Any]] = {
    "optim save": lambda path: optimizer().save(path),
    "optim load": lambda path: optimizer().load(path),
    "model save": lambda path: model().save(path),
    "load_model": nn.load_model,
    "plot": lambda path: nn.History().plot(path),
    "ModelCheckpoint": nn.ModelCheckpoint,
    "read_idx": data.read_idx,
    "load_mnist_idx": data.load_mnist_idx,
    "read_cifar10": data.read_cifar10,
    "read_cifar10 of several": lambda path: data.read_cifar10([path]),
}


class Nowhere:
    def __fspath__(self) -> str:
        return "a\0b"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\0b", "holds a zero byte; wanted a"),
        (b"a\0b", "holds a zero byte; wanted a"),
        (Path("a\0b"), "holds a zero byte; wanted a"),
        (Nowhere(), "holds a zero byte; wanted a"),
        ("\ud800", "cannot be said in bytes"),
        ("", "wanted a"),
        (b"", "wanted a"),
    ],
)
def test_names_that_no_file_can_have(
    call: Callable[[Any], Any], name: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(martlet.ArgumentError, match=said):
        call(name)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("name", [None, 1, 2.5, True, object(), bytearray(b"a"), memoryview(b"a")])
def test_what_is_no_name(
    call: Callable[[Any], Any], name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name is None and call is CALLS["plot"]:
        pytest.skip("a figure that is written nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(martlet.DTypeError, match=r"(path|folder\w*(\[0\])?) is .*; wanted a "):
        call(name)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["état", "état".encode(), Path("état"), b"\xff\xfe", "\udcff"])
def test_names_of_every_kind(name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no UTF-8 too, as os.listdir gives them."""
    monkeypatch.chdir(tmp_path)
    optimizer().save(name)
    optimizer().load(name)
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]
    model().save(name)
    nn.load_model(name)
    nn.ModelCheckpoint(name)
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]
