"""What is measured of martlet.sklearn: whole fits of scikit-learn's perceptron with its defaults, by both, and targets.

Both train from the same weights on the same batches, so losses and accuracy are the same too (test_perceptrons.py).
Nothing here runs or times anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from cases import MARTLET, Shape
from model_cases import ModelCase, Network

SKLEARN = "scikit-learn"


@dataclass(frozen=True, kw_only=True)
class Fit(ModelCase):
    """Epochs of MLPClassifier().fit, batches of 200."""

    is_measured_alone = True
    bound = None

    network: Network
    samples: int
    epochs: int
    act: str = "an epoch"
    own: str = MARTLET
    peers: tuple[str, ...] = (SKLEARN,)

    @property
    def work(self) -> int:
        return self.samples * self.network.step_work


def fit(name: str, title: str, inputs: int, classes: int, samples: int, epochs: int, target: float) -> Fit:
    network = Network((inputs,), (), (100, classes))
    shapes: tuple[Shape, ...] = network.shapes
    return Fit(
        name=name,
        title=f"MLPClassifier().fit on {title}, {epochs} epochs",
        shapes=shapes,
        targets={SKLEARN: target},
        network=network,
        samples=samples,
        epochs=epochs,
        seconds=1.0,
    )


DIGITS = "sklearn-digits"
CASES = (
    fit(DIGITS, "the digits, 1,797 x 64", 64, 10, 1797, 50, 6.0),
    fit("sklearn-tabular", "20,000 x 16 numbers, two classes", 16, 1, 20_000, 5, 5.0),
)
