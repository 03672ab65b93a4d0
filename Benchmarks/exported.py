"""One prediction of a perceptron 784-64-10 that is written as a file of C: time and size, beside the same prediction by
the library and by onnxruntime, from C where C can call it and from Python.

    python Benchmarks/exported.py

Medians over rounds in which all take turns, one thread each, of one sample a call, and the least, which is nearer to
what a machine that others use too can do. onnxruntime's is of the model's ONNX file, from Python; it is left out where
it is not installed.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

os.environ["MARTLET_NUM_THREADS"] = "1"

from martlet import _ffi, _library
from martlet.nn import Dense, Sequential

ROUNDS, CALLS = 300, 200
STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
#: gcc's ways.
WAYS = {"gcc -O3 -march=native": ("-O3", "-march=native"), "gcc -O3": ("-O3",)}
#: The most microseconds that a sample may take.
WANTED = {"file of C, gcc -O3 -march=native": 3.0, "file of C, gcc -O3": 6.0, "library, from C": 6.0}
LOOP = """
#include <time.h>
#include <martlet.h>
void perceptron_predict(const float *x0, float *y0, float *m);
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}
double written(const float *x, float *y, float *m, int calls);
double written(const float *x, float *y, float *m, int calls)
{
    const double start = now();
    for (int k = 0; k < calls; ++k) perceptron_predict(x + k % 100 * 784, y, m);
    return (now() - start) / calls;
}
double library(martlet_model *model, float *x, float *y, int calls);
double library(martlet_model *model, float *x, float *y, int calls)
{
    martlet_array array = {x, 784, MARTLET_FP32, 0, 0, 0, 0, 0, 0, 0};
    const double start = now();
    for (int k = 0; k < calls; ++k) {
        array.data = x + k % 100 * 784;
        martlet_model_predict(model, y, 10, &array, 0);
    }
    return (now() - start) / calls;
}
"""


def built(folder: Path, name: str, flags: tuple[str, ...]) -> tuple[Any, int]:
    """A library of the file and the loops, and the bytes of the file's own code and weights."""
    subprocess.run(["gcc", *STRICT, *flags, "-fPIC", "-c", "perceptron.c"], cwd=folder, check=True)
    sizes = subprocess.check_output(["size", "perceptron.o"], cwd=folder, text=True).splitlines()[1].split()
    root = _library.source_root() or _library.PACKAGE_FOLDER
    command = ["gcc", "-O2", "-D_GNU_SOURCE", "-fPIC", "-shared", f"-I{root}/include", "loop.c", "perceptron.o"]
    subprocess.run([*command, os.path.realpath(_ffi.library_path), "-lm", "-o", name], cwd=folder, check=True)
    found = ctypes.CDLL(str(folder / name))
    found.written.restype = found.library.restype = ctypes.c_double
    return found, int(sizes[0]) + int(sizes[1])


def called(call: Callable[[], Any]) -> float:
    start = perf_counter()
    for _ in range(CALLS):
        call()
    return (perf_counter() - start) / CALLS * 1e6


def main() -> None:
    model = Sequential([Dense(64, activation="relu", input_shape=(784,)), Dense(10)], seed=1)
    x, y, m = (
        np.random.default_rng(0).random((100, 784), np.float32),
        np.empty(10, np.float32),
        np.empty(4096, np.float32),
    )
    at = [ctypes.c_void_p(array.ctypes.data) for array in (x, y, m)]
    one = x[:1]
    ways: dict[str, Callable[[], float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.to_c(folder / "perceptron.c")
        (folder / "loop.c").write_text(LOOP)
        print(f"the file of C: {(folder / 'perceptron.c').stat().st_size:,} bytes of text")
        for way, flags in WAYS.items():
            library, size = built(folder, f"{len(ways)}.so", flags)
            print(f"{way}: {size:,} bytes of code and weights")
            ways[f"file of C, {way}"] = lambda library=library: float(library.written(*at, CALLS))  # type: ignore[misc]
        token = model._ready().model._token
        ways["library, from C"] = lambda: float(library.library(token, at[0], at[1], CALLS))
        ways["library, from Python"] = lambda: called(lambda: model.predict(one))
        try:
            import onnxruntime  # type: ignore[import-untyped, unused-ignore]

            model.to_onnx(folder / "perceptron.onnx")
        except ImportError as error:
            print(f"without onnxruntime: {error}")
        else:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(str(folder / "perceptron.onnx"), options)
            ways["onnxruntime, from Python"] = lambda: called(lambda: session.run(None, {"input": one}))
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, measure in ways.items():
                times[way].append(measure())
    wanted = dict(WANTED)
    if "onnxruntime, from Python" in times:
        wanted["library, from Python"] = median(times["onnxruntime, from Python"]) / 3
    for way, found in times.items():
        bound = f", at most {wanted[way]:.3g} wanted" if way in wanted else ""
        print(f"{way:36} {median(found):8.2f} us a sample, the least {min(found):.2f}{bound}")


if __name__ == "__main__":
    main()
