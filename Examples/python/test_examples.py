"""Runs every example of this folder as a user would: a script, in a process of its own, from an empty folder.

An example that is not listed here, or in test_mpi.py, fails the run. What the examples compute they assert themselves;
here it is looked at that they end well and print what they promise.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
SAYS = {
    "digits.py": "largest relative difference",
    "residual_network.py": "test accuracy",
    "softmax_regression.py": "test accuracy",
    "numpy_training.py": "on the right side",
    "worked_example.py": "10  0.0",
    "convolutional_network.py": "the same bits",
    "keras_style.py": "least test accuracy",
    "convolutional_digits.py": "least test accuracy",
    "residual_photographs.py": "least test accuracy",
    "text_classifier.py": "a striker who scores is sports",
    "language_model.py": "least gain on pairs",
    "comparison.py": "learned at",
    "convolutional_comparison.py": "AdaBound",
    "unchanged.py": "accuracy on 360 images",
    "module_trained.py": "outputs of the file and of the module differ",
    "pipeline.py": "probabilities of the file and of the pipeline differ",
    "predict_in_c.py": "names the same digits",
    "keras_on_torch.py": "ends in the same numbers",
}
PICTURED = ("digits.py", "keras_style.py", "comparison.py", "convolutional_comparison.py")
# The test accuracy that each seed of an example must reach.
FLOORS = {
    "keras_style.py": 0.97,
    "convolutional_digits.py": 0.985,
    "residual_photographs.py": 0.94,
    "text_classifier.py": 0.94,
}


@pytest.fixture(scope="module", params=SAYS)
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """An example's name, what it printed, and the folder it ran in."""
    name: str = request.param
    folder = tmp_path_factory.mktemp("example")
    command = [sys.executable, str(HERE / name)]
    # One thread: torch's threads wait for each other by spinning, which takes minutes on a machine that is shared.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return name, result.stdout, folder


def test_runs(ended: tuple[str, str, Path]) -> None:
    name, output, folder = ended
    assert SAYS[name] in output
    if name in PICTURED:
        assert (folder / name).with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    if name == "residual_network.py":
        assert float(output.split("test accuracy ")[1].split()[0]) > 80
    if name in FLOORS:
        assert float(output.split("least test accuracy ")[1].split(";")[0]) >= FLOORS[name]
    if name == "language_model.py":
        assert float(output.split("least gain on pairs ")[1]) >= 0.15


def test_an_unchanged_script_learns_the_same() -> None:
    command = [sys.executable, "-m", "martlet", "run", "--compare", str(HERE / "unchanged.py")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "martlet run: Martlet's: AdamW (345 steps)" in result.stderr
    assert float(result.stdout.split("losses differ by ")[1].split()[0]) < 1e-4


def test_test_images_are_normalised_as_the_training_images(tmp_path: Path) -> None:
    example = runpy.run_path(str(HERE / "residual_network.py"))
    rng = np.random.default_rng(2)
    for name, brightest in (("data_batch_1.bin", 255), ("test_batch.bin", 128)):
        rng.integers(0, brightest, (50, example["RECORD"]), dtype=np.uint8).tofile(tmp_path / name)
    train, test = (dataset.tensors[0].double() for dataset in example["datasets"](tmp_path))
    assert abs(train.mean()) < 1e-3 and abs(train.std() - 1) < 1e-3
    # A dark test set stays dark: 127 / 2 where the training images have 254 / 2, in units of their deviation.
    assert abs(test.mean() - (63.5 - 127) / (255 / 12**0.5)) < 0.02 and abs(test.std() - 0.5) < 0.02


def test_all_are_listed() -> None:
    apart = {path.name for pattern in ("test_*.py", "mpi_*.py") for path in HERE.glob(pattern)}
    assert {path.name for path in HERE.glob("*.py")} == SAYS.keys() | apart
