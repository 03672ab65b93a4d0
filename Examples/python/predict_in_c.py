"""Scenario 2, deployment: a model that is trained in Python predicts in C, without Python or Martlet.

A perceptron learns scikit-learn's digits, with their scale as its first layer, and is written as one file of C. A
program that is compiled with it classifies the test images; onnxruntime does so too, from an ONNX file, where onnx is
installed. The library and both files must name the same digits.
"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from martlet.data import Standardizer
from martlet.nn import Dense, Sequential

PROGRAM = """
#include <stdio.h>

void digits_predict(const float *x0, float *y0, float *m);

int main(void)
{
    float image[64], logits[10], m[4096];
    while (fread(image, sizeof image, 1, stdin) == 1) {
        digits_predict(image, logits, m);
        int digit = 0;
        for (int k = 1; k < 10; ++k) digit = logits[k] > logits[digit] ? k : digit;
        printf("%d\\n", digit);
    }
    return 0;
}
"""


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    scale = Standardizer(axis=None).fit(x_train)
    model = Sequential([scale.layer(), Dense(64, activation="relu"), Dense(10)], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=30, verbose=0)
    x = np.ascontiguousarray(x_test, np.float32)
    digits = model.predict(x).argmax(axis=1)
    print(f"test accuracy {(digits == y_test).mean():.4f}")

    model.to_c("digits.c")
    Path("main.c").write_text(PROGRAM)
    subprocess.run(["cc", "-std=c99", "-O3", "main.c", "digits.c", "-lm", "-o", "digits"], check=True)
    printed = subprocess.run(["./digits"], input=x.tobytes(), capture_output=True, check=True).stdout
    assert [int(line) for line in printed.split()] == digits.tolist()
    print(f"the file of C, {Path('digits.c').stat().st_size:,} bytes, names the same digits")

    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        import onnxruntime  # type: ignore[import-untyped, unused-ignore]

        model.to_onnx("digits.onnx")
        (logits,) = onnxruntime.InferenceSession("digits.onnx").run(None, {"input": x})
        assert (logits.argmax(axis=1) == digits).all()
        print("so does onnxruntime with the ONNX file")


if __name__ == "__main__":
    main()
