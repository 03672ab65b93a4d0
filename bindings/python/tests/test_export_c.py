"""Models as one file of C: every layer and the scenarios' models, compiled by gcc and clang with warnings as errors,
beside the library's predictions and Keras's in float64."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c_files import COMPILERS, STRICT, compiled, memory, run
from exported import alike, as_list, fill, numbers, probable
from exported_cases import CASES
from keras_twins import in_float64
from martlet import data, nn
from martlet.__main__ import main
from martlet._errors import FileError, OrderError, UnsupportedError
from networks import digits_like, mlp
from sequence_cases import SEQUENCES, steps

pytestmark = pytest.mark.skipif(not COMPILERS, reason="there is no C compiler")

_PROBABILITIES = {"Dense, softmax", "Dense, sigmoid", "Softmax", "Conv2D, softmax", "text"}
_WHOLE = {"perceptron", "convolutional", "text", "residual", "branches", *SEQUENCES}


@pytest.mark.parametrize("name", CASES | SEQUENCES)
def test_the_file_gives_what_the_library_predicts(name: str, tmp_path: Path) -> None:
    case = (CASES | SEQUENCES)[name]
    model = case.build(nn, nn.Model)
    fill(model)
    path = tmp_path / "some_model.c"
    model.to_c(path)
    mine = as_list(model.predict(case.x))
    bound = 2e-6 if name.startswith("Dense,") else 1e-5
    for compiler in COMPILERS if name in _WHOLE else COMPILERS[:1]:
        found = run(path, case.x, [one.shape[1:] for one in mine], compiler)
        alike(found, mine, bound)
        alike(found, in_float64(name), bound)
        if name in _PROBABILITIES:
            probable(found[0], mine[0])


@pytest.mark.parametrize("options", [("-O0",), ("-O3", "-march=native"), ("-Os",)])
def test_at_every_level(options: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("convolutional", "text"):
        case = CASES[name]
        model = case.build(nn, nn.Model)
        fill(model)
        path = tmp_path / f"{name}.c"
        model.to_c(path)
        mine = model.predict(case.x)
        for compiler in COMPILERS:
            alike(run(path, case.x, [mine.shape[1:]], compiler, *options)[0], mine)


def test_sizes_of_all_kinds_of_products(tmp_path: Path) -> None:
    for units in (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 20, 24, 31, 32, 33, 40, 48, 64, 65, 100):
        model = nn.Sequential([nn.Dense(units, input_shape=(6,))])
        fill(model)
        x = numbers((4, 6))
        model.to_c(tmp_path / "m.c")
        kernel, bias = (weight.astype(np.float64) for weight in model.get_weights())
        alike(run(tmp_path / "m.c", x, [(units,)])[0], x @ kernel + bias, 2e-6)


def test_what_the_file_says(tmp_path: Path) -> None:
    model = nn.Sequential([
        nn.Input((8, 8, 1)), nn.Conv2D(4, 3, activation="relu", name="c*|ö"), nn.Flatten(),
        nn.Dense(3, activation="sigmoid"),
    ])  # fmt: skip
    for name, prefix in (("digits.c", "digits"), ("2 b-c.d.c", "model2_b_c"), (".c", "model")):
        model.to_c(tmp_path / name)
        text = (tmp_path / name).read_text()
        assert f"void {prefix}_predict(const float *x0, float *y0, float *m);" in text
        assert " * x0: 64 numbers, input\n" in text and " * y0: 3 numbers, dense\n" in text
    assert "malloc" not in text
    assert [line for line in text.splitlines() if line.startswith("#")] == ["#include <math.h>"]
    # No function is there that is not called.
    assert "softmax" not in text and "permute" not in text
    assert memory(tmp_path / "digits.c") >= 6 * 6 * 4


def test_a_scaler_and_what_training_leaves(tmp_path: Path) -> None:
    x, y = digits_like(96, (20,))
    x = x * 50 + 3000
    scaler = data.Standardizer().fit(x)
    model = nn.Sequential([
        scaler.layer(input_shape=(20,)), nn.Dense(24), nn.BatchNormalization(momentum=0.5), nn.ReLU(), nn.Dropout(0.5),
        nn.GaussianNoise(0.3), nn.Dense(10),
    ])  # fmt: skip
    model.compile(nn.Adam(0.05), "sparse_categorical_crossentropy")
    path = tmp_path / "m.c"

    class Writes(nn.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            model.to_c(path)
            alike(run(path, x[:20], [(10,)])[0], model.predict(x[:20]))
            seen.append(batch)

    seen: list[int] = []
    model.fit(x, y, epochs=1, callbacks=[Writes()], verbose=0)
    assert len(seen) == 3


def test_odd_numbers(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Dense(4, use_bias=False, input_shape=(4,))])
    values = np.array([np.nan, np.inf, -np.inf, 1e-45, -0.0, 3.4028235e38, 1.17549435e-38, 1e-7], np.float32)
    kernel = np.concatenate([values, values[::-1]]).reshape(4, 4)
    model.set_weights([kernel])
    model.to_c(tmp_path / "m.c")
    for row in range(4):
        one = np.zeros((1, 4), np.float32)
        one[0, row] = 1
        np.testing.assert_array_equal(run(tmp_path / "m.c", one, [(4,)])[0], one @ kernel)


def test_rows_that_a_table_has_not_are_zeros(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input((3,)), nn.Embedding(5, 2), nn.Flatten()])
    model.to_c(tmp_path / "m.c")
    (found,) = run(tmp_path / "m.c", np.array([[-1, 5, 4], [2**31 - 1, -(2**31), 0]], np.int32), [(6,)])
    (table,) = model.get_weights()
    np.testing.assert_array_equal(found, [[0, 0, 0, 0, *table[4]], [0, 0, 0, 0, *table[0]]])


def test_sequences_of_which_nothing_is_seen(tmp_path: Path) -> None:
    """What a state is before the first step, and attention's zeros, beside the library's; and a mask's own value."""
    inputs = nn.Input((7, 3))
    x = nn.Masking(-1.5)(inputs)
    ways = nn.Bidirectional(nn.LSTM(4, return_sequences=True))(x)
    parts = [nn.MultiHeadAttention(2, 3, value_dim=5)(x, x), ways, nn.GRU(3, return_sequences=True)(x)]
    model = nn.Model(inputs, nn.Flatten()(nn.Concatenate()(parts)))
    fill(model)
    model.to_c(tmp_path / "m.c")
    given = steps()
    given[given == 0] = -1.5
    given[0], given[1, 2:5], given[2, 3, 1] = -1.5, -1.5, np.nan
    given[3] = 0
    mine, (found,) = model.predict(given), run(tmp_path / "m.c", given, [(model.output_shape[1],)])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(mine))
    alike(np.nan_to_num(found), np.nan_to_num(mine))
    assert (mine[0] == 0).any() and np.isfinite(mine[[0, 1, 3]]).all()


def test_places_of_a_sequence(tmp_path: Path) -> None:
    """Beside float64: what is learned of a place is added, and a model may give it alone."""
    inputs = nn.Input((7, 3))
    layer = nn.PositionEmbedding(7)
    sum_ = nn.Model(inputs, nn.Add()([inputs, layer(inputs)]))
    fill(sum_)
    sum_.to_c(tmp_path / "m.c")
    table = layer.get_weights()[0].astype(np.float64)
    (found,) = run(tmp_path / "m.c", steps(), [(7, 3)])
    alike(found, steps() + table, 2e-7)
    alone = nn.Model(other := nn.Input((7, 3)), nn.PositionEmbedding(7)(other))
    alone.to_c(tmp_path / "n.c")
    alike(run(tmp_path / "n.c", steps(), [(7, 3)])[0], alone.predict(steps()), 0)


def test_translations_between_pixels_are_left_out(tmp_path: Path) -> None:
    model = nn.Sequential([nn.Input((6, 5, 2)), nn.RandomTranslation(0.2, 0.1), nn.Flatten()])
    x = numbers((3, 6, 5, 2))
    model.to_c(tmp_path / "m.c")
    np.testing.assert_array_equal(run(tmp_path / "m.c", x, [(60,)])[0], x.reshape(3, 60))


@pytest.mark.parametrize("name", ["convolutional", "Bidirectional, masked"])
def test_threads_may_be_inside_at_once(name: str, tmp_path: Path) -> None:
    case = (CASES | SEQUENCES)[name]
    model = case.build(nn, nn.Model)
    path = tmp_path / "m.c"
    model.to_c(path)
    units = model.output_shape[1]
    alone = run(path, case.x, [(units,)])[0]
    found: list[Any] = [None] * 4
    library = compiled(path)

    def predict(number: int) -> None:
        room, out = np.empty(memory(path), np.float32), np.empty((len(case.x), units), np.float32)
        for _ in range(20):
            for sample in range(len(case.x)):
                given = (case.x[sample : sample + 1], out[sample : sample + 1], room)
                library.m_predict(*(ctypes.c_void_p(array.ctypes.data) for array in given))
        found[number] = out

    threads = [threading.Thread(target=predict, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for out in found:
        np.testing.assert_array_equal(out, alone)


def test_two_files_in_one_program(tmp_path: Path) -> None:
    mlp(1).to_c(tmp_path / "one.c")
    mlp(2).to_c(tmp_path / "two.c")
    (tmp_path / "main.c").write_text("""
#include <stdio.h>
void one_predict(const float *x0, float *y0, float *m);
void two_predict(const float *x0, float *y0, float *m);
int main(void)
{
    static const float x[20];
    float y[10], m[1000];
    one_predict(x, y, m);
    two_predict(x, y, m);
    return printf("%g\\n", (double)y[0]) < 0;
}
""")
    program = tmp_path / "program"
    sources = [str(tmp_path / name) for name in ("one.c", "two.c", "main.c")]
    subprocess.run([COMPILERS[0], *STRICT, *sources, "-o", str(program), "-lm"], check=True)
    subprocess.run([str(program)], check=True, capture_output=True)


def test_layers_that_have_no_c_are_named(tmp_path: Path) -> None:
    own = nn.Lambda(np.square, gradient=lambda x, slopes: 2 * x * slopes, name="mine")
    model = nn.Sequential([nn.Input((3,)), own, nn.Dense(2)])
    with pytest.raises(UnsupportedError, match='layer "mine" is of a kind that has no C here'):
        model.to_c(tmp_path / "m.c")
    with pytest.raises(UnsupportedError, match="layer 'mine' is of a kind that has no ONNX here"):
        model.to_onnx(tmp_path / "m.onnx")
    assert os.listdir(tmp_path) == []


def test_a_layer_that_keeps_states_is_named_with_what_would_do(tmp_path: Path) -> None:
    kept = nn.Sequential([nn.Input(batch_shape=(2, 4, 3)), nn.LSTM(2, stateful=True, name="kept")])
    wanted = 'layer "kept" is stateful: it keeps .*; expected the same layer that is not, .* or with states'
    with pytest.raises(UnsupportedError, match=wanted):
        kept.to_c(tmp_path / "m.c")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["perceptron", "text", "branches", "Bidirectional, masked"])
def test_the_command_tells_what_it_comes_to(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = (CASES | SEQUENCES)[name].build(nn, nn.Model)
    source, path = os.fspath(tmp_path / "m.safetensors"), tmp_path / "m.c"
    model.save(source)
    for compiler in COMPILERS:
        monkeypatch.setenv("CC", compiler)
        assert main(["export", source, os.fspath(path)]) == 0
        first, *others = capsys.readouterr().out.splitlines()
        told = re.findall(r"[\d,]*\d", first.partition(": ")[2])
        size, constants, room = (int(word.replace(",", "")) for word in told)
        assert size == path.stat().st_size and room == 4 * memory(path)
        assert 3 * sum(weight.size for weight in model.get_weights()) <= constants < size  # a GRU adds biases up
        assert others[0].startswith(f"{compiler} -std=c99 -O3: ")
        for line in others:
            found = re.search(r": ([\d,]+) bytes of code and constants.*, ([\d.e+]+) us a sample$", line)
            assert found and constants < int(found[1].replace(",", "")) < constants + 60_000 and float(found[2]) > 0.01
            stack = re.search(r"at most ([\d,]+) of stack", line)
            assert stack is None or int(stack[1].replace(",", "")) < 4096
    assert "of stack" in line or compiler != "gcc"
    for words in ("no-such-compiler -x", "'cc"):
        monkeypatch.setenv("CC", words)
        assert main(["export", source, os.fspath(path)]) == 0
        assert "no C compiler was found" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == [path, Path(source)]


def test_errors_and_the_command(tmp_path: Path) -> None:
    path, source = tmp_path / "m.c", tmp_path / "m.safetensors"
    with pytest.raises(OrderError):
        nn.Sequential([nn.Dense(3)]).to_c(path)
    model = mlp()
    with pytest.raises(FileError):
        model.to_c(tmp_path / "no" / "m.c")
    assert os.listdir(tmp_path) == []
    path.write_text("mine")
    with pytest.raises(FileError, match="is there already"):
        model.to_c(path, overwrite=False)
    assert path.read_text() == "mine"
    model.save(source)
    assert main(["export", os.fspath(source), os.fspath(path)]) == 0
    x = numbers((5, 20))
    alike(run(path, x, [(10,)])[0], model.predict(x))
