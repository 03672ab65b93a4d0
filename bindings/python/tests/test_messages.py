"""Messages speak of Python's functions, arguments and files, and never of C's."""

from __future__ import annotations

import gzip
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import martlet
from conftest import SOURCE
from martlet import data, nn
from martlet.optim import Adam

X, Y = np.zeros((6, 4)), np.array([0, 1, 2, 0, 1, 2])

# What a message of C's would have in it.
C_WORDS = re.compile(
    r"martlet_|MARTLET_|\b(layer|training|loop|config|parameters\[\d+\]|groups\[\d+\])\.[a-z]|\bNULL\b"
)


def stepped() -> Adam:
    optimizer = Adam([np.zeros(3, np.float32)])
    optimizer.step([np.ones(3, np.float32)])
    return optimizer


def written(path: Path, kind: str) -> Path:
    """A file of a kind that is none of ours."""
    if kind == "torch":
        torch.save({"a": torch.ones(3)}, path)
    elif kind == "torch, old":
        torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    elif kind == "npz":
        with open(path, "wb") as file:
            np.savez(file, a=np.ones(3))
    elif kind == "keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    elif kind == "hdf5":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    elif kind == "npy":
        with open(path, "wb") as file:
            np.save(file, np.ones(30))
    elif kind == "gzip":
        path.write_bytes(gzip.compress(bytes(range(200))))
    else:
        path.write_bytes(pickle.dumps({"a": [1.0] * 30}, protocol=int(kind)))
    return path


KINDS = {
    "torch": "a zip file", "npz": "a zip file", "keras": "a zip file", "hdf5": "an HDF5 file", "npy": "a file of numpy",
    "torch, old": "a pickle file", "2": "a pickle file", "5": "a pickle file", "gzip": "compressed by gzip",
}  # fmt: skip
LOADERS: dict[str, Callable[[Path], Any]] = {
    "load_model": nn.load_model,
    "Adam.load": lambda path: stepped().load(path),
    "read_idx": data.read_idx,
    "load_mnist_idx": lambda path: data.load_mnist_idx([path, path]),
    "read_cifar10": data.read_cifar10,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loader", LOADERS)
def test_loaders_say_what_a_file_is(loader: str, kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / "given", kind)
    if kind == "gzip" and loader in ("read_idx", "load_mnist_idx"):  # which read through it
        wanted = re.escape(f"{path} begins with 00010203; wanted an IDX file")
    else:
        wanted = re.escape(f"{path} is {KINDS[kind]}") + ".*; wanted "
    with pytest.raises(martlet.FormatError, match=wanted):
        LOADERS[loader](path)


def test_loaders_name_the_file_whatever_is_wrong(tmp_path: Path) -> None:
    stepped().save(tmp_path / "state")
    model = nn.Sequential([nn.Dense(3, input_shape=(4,))])
    model.save(tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-1])
    (tmp_path / "layer").write_bytes(whole.replace(b"units=3", b"units=x"))
    (tmp_path / "short").write_bytes(b"1234")
    for load, names in (
        (nn.load_model, ("state", "cut", "layer", "short")),
        (stepped().load, ("model", "cut", "short")),
    ):
        for name in names:
            with pytest.raises(martlet.FormatError, match=re.escape(str(tmp_path / name))) as caught:
                load(tmp_path / name)
            assert not C_WORDS.search(str(caught.value))


def fitted(*layers: nn.Layer, loss: Any = "sparse_categorical_crossentropy", metrics: Any = ()) -> None:
    model = nn.Sequential([nn.Input((4,)), *layers])
    model.compile("adam", loss, [*metrics])
    model.fit(X, Y, verbose=0)


def image(layer: nn.Layer) -> nn.Sequential:
    return nn.Sequential([nn.Input((4, 4, 3)), layer])


ONE = np.ones(3, np.float32)
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "groups": (lambda: image(nn.Conv2D(4, 3, groups=3)), "groups of layer 'conv2d' is 3; .*a divisor of filters"),
    "filters": (lambda: image(nn.Conv2D(2**40, 3)), "filters of layer 'conv2d' is 1099511627776; expected 1 to"),
    "kernel_size": (lambda: image(nn.Conv2D(4, 2**21)), "kernel_size of layer 'conv2d' is 2097152"),
    "strides": (lambda: image(nn.Conv2D(4, 3, 2**21, name="c")), "strides of layer 'c' is 2097152"),
    "padding": (lambda: image(nn.Conv2D(4, 3, padding=5)), "padding of layer 'conv2d' is 5; expected 0 to 2"),
    "pool_size": (lambda: image(nn.MaxPooling2D(2**21)), "pool_size of layer 'max_pooling2d' is 2097152"),
    "window": (lambda: image(nn.MaxPooling2D(9)), 'layer "max_pooling2d"\'s window is higher'),
    "units": (lambda: fitted(nn.Dense(2**40)), "units of layer 'dense' is 1099511627776"),
    "name": (lambda: fitted(nn.Dense(3, name="a/b")), "name of layer 'a/b' is \"a/b\""),
    "slope": (lambda: fitted(nn.LeakyReLU(1e300)), "negative_slope of layer 'leaky_re_lu' is 1e"),
    "delta": (lambda: fitted(nn.Dense(1), loss=nn.Huber(1e300)), "^delta is 1e"),
    "target_shape": (lambda: fitted(nn.Reshape((3,))), 'layer "reshape"\'s sizes are'),
    "gradients": (lambda: nn.Sequential([nn.Dense(3, input_shape=(4,))]).gradients(), "^the model is not compiled"),
    "overlap": (lambda: martlet.adam(ONE, ONE), "^value of params and grad of params overlap"),
    "step": (lambda: Adam([("w", ONE[::1])]).step([ONE]), "^value of w and grad of w overlap"),
    "threads": (lambda: martlet.set_num_threads(2**40), "^count is 1099511627776; wanted 1 to 1,024, or 0"),
    "isa": (lambda: martlet.set_isa("mmx"), "mmx"),
    "no folder": (lambda: stepped().save("/none/of/this"), "^file '/none/of/this' could not be opened"),
    "no file": (lambda: nn.load_model("/none/of/this"), "^file '/none/of/this' could not be opened"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_go_by_their_names(name: str) -> None:
    call, wanted = WRONG[name]
    with pytest.raises(martlet.MartletError, match=wanted) as caught:
        call()
    assert not C_WORDS.search(str(caught.value))


TOP = "k of metric 'top' is 5, and the outputs {} tell {} apart; wanted TopK\\(k\\) with k at most {}"


@pytest.mark.parametrize(
    ("loss", "most"), [("sparse_categorical_crossentropy", 3), ("binary_crossentropy", 1), ("mse", 3)]
)
def test_top_k_of_too_few_classes(loss: str, most: int) -> None:
    """As soon as the outputs are known: at compile, at build, or before the first step; nothing has changed then."""
    wanted = TOP.format(r"\(3,\)", most, most)
    known = nn.Sequential([nn.Dense(3, input_shape=(4,))])
    known.compile("adam", "mse")
    with pytest.raises(martlet.ArgumentError, match=wanted):
        known.compile("adam", loss, [nn.TopK(5, "top")])
    assert known.metrics_names == ["loss"]
    later = nn.Sequential([nn.Dense(3)])
    later.compile("adam", loss, [nn.TopK(5, "top")])
    for call in (lambda: later.build((None, 4)), lambda: later.fit(X, Y, verbose=0)):
        with pytest.raises(martlet.ArgumentError, match=wanted):
            call()
        assert not hasattr(later, "input_shape")
    known.compile("adam", loss, [nn.TopK(most, "top")])


def test_nothing_says_to_install_martlet_from_an_index() -> None:
    """It is on none. What may be said is how to install it from a clone."""
    for path in (SOURCE / "martlet").rglob("*.py"):
        assert not re.search(r"pip install '?\"?martlet", path.read_text(encoding="utf-8")), path
