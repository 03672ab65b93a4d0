"""The order in which fit takes samples: by the model's seed and steps, and by Philox's bits alone."""

from __future__ import annotations

from martlet import _samples, nn
from networks import digits_like, mlp

X, Y = digits_like(100, (20,))


def compiled(seed: int) -> nn.Sequential:
    model = mlp(seed)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_order_is_the_seeds_and_the_steps() -> None:
    def orders(seed: int, epochs: int) -> list[list[int]]:
        return [_samples.order(seed, 4 * epoch, 100).tolist() for epoch in range(epochs)]

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
