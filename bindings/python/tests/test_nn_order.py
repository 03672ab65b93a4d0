"""The order in which fit takes samples: the library's own, so that C's fit gives the same bits; and the one of
martlet.data.Batches, by Philox's bits alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from martlet import _ffi, _ffi_models, _model, _records, _samples, nn
from martlet.nn import _inputs, _orders
from networks import digits_like, mlp

X, Y = digits_like(100, (20,))


def compiled(seed: int) -> nn.Sequential:
    model = mlp(seed)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def fitted_from_c(path: Path, epochs: int, flags: int = 0) -> _model.Model:
    """The model of a file, trained by one call of martlet_model_fit."""
    native = _model.Model.load(os.fsencode(path))
    loop = _ffi_models.Loop()
    _ffi_models.martlet_loop_init(loop, _ffi.struct_size(_ffi_models.Loop))
    loop.epochs, loop.flags = epochs, flags
    x, y = (_records.parts([_inputs.placed(one)], 0, len(one)) for one in (X, Y))
    _ffi_models.martlet_model_fit(native._token, None, x, y, loop)
    return native


@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_gives_the_bits_that_c_gives(shuffle: bool, tmp_path: Path) -> None:
    """Three epochs in one call of each; and two, after one that Python trained."""
    model = compiled(2**63 + 9)
    model.build((None, 20))
    for before, epochs in ((0, 3), (1, 2)):
        if before:
            model = compiled(2**63 + 9)
            model.fit(X, Y, epochs=before, verbose=0, shuffle=shuffle)
        model.save(tmp_path / "model")
        native = fitted_from_c(tmp_path / "model", epochs, 0 if shuffle else 1)
        model.fit(X, Y, epochs=epochs, verbose=0, shuffle=shuffle)
        native.save(os.fsencode(tmp_path / "from C"))
        other = nn.load_model(tmp_path / "from C")
        assert (other.parameters() == model.parameters()).all()
        assert native.epoch() == model._ready().model.epoch() == 3
        model.fit(X, Y, verbose=0)
        other.fit(X, Y, verbose=0)
        assert (other.parameters() == model.parameters()).all()


def test_order_is_the_seeds_and_the_epochs() -> None:
    def orders(seed: int, epochs: int) -> list[list[int]]:
        return [_orders.of_seed(seed, epoch, 100).tolist() for epoch in range(epochs)]

    first, second = orders(3, 2)
    assert sorted(first) == sorted(second) == list(range(100)) and first != second
    assert orders(3, 2) == [first, second] and orders(4, 1)[0] != first
    one, two, three = compiled(7), compiled(7), compiled(7)
    one.fit(X, Y, epochs=2, verbose=0)
    two.fit(X, Y, epochs=1, verbose=0)
    two.fit(X, Y, epochs=2, initial_epoch=1, verbose=0)
    assert (one.parameters() == two.parameters()).all()
    three.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    assert (one.parameters() != three.parameters()).any()


def test_batches_of_a_sequence_are_taken_in_such_an_order() -> None:
    class Batches:
        taken: list[int]

        def __len__(self) -> int:
            return 10

        def __getitem__(self, place: int) -> tuple[object, object]:
            self.taken.append(place)
            return X[10 * place : 10 * place + 10], Y[10 * place : 10 * place + 10]

    source, model = Batches(), compiled(5)
    source.taken = []
    model.fit(source, epochs=3, verbose=0)
    assert source.taken == [place for epoch in range(3) for place in _orders.of_seed(5, epoch, 10).tolist()]


def philox(key: int, step: int, count: int) -> list[int]:
    """Philox4x64-10 (Salmon et al., 2011), as its paper has it."""
    words: list[int] = []
    block = 0
    while len(words) < count:
        block += 1
        c, k = [block, 0, step, 0], [key, 0]
        for _ in range(10):
            first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
            c = [(second >> 64) ^ c[1] ^ k[0], second % 2**64, (first >> 64) ^ c[3] ^ k[1], first % 2**64]
            k = [(k[0] + 0x9E3779B97F4A7C15) % 2**64, (k[1] + 0xBB67AE8584CAA73B) % 2**64]
        words += c
    return words[:count]


def test_order_depends_on_no_version_of_numpy() -> None:
    for seed, step, samples in ((3, 0, 10), (2**64 - 1, 12345, 37), (0, 1, 1)):
        keys = philox(seed, step, samples)
        assert _samples.order(seed, step, samples).tolist() == sorted(range(samples), key=keys.__getitem__)
