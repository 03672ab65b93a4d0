"""Keras's optimizers with Martlet's step: for model.compile on Keras's torch backend, in place of keras.optimizers'.

    import martlet.keras
    model.compile(optimizer=martlet.keras.Adam(1e-3), loss="mse")

Each class is a subclass of Keras's class of its name, with its arguments, defaults, config and variables, by Keras's
convention. On the torch backend a step, with clipping, weight decay and moving averages in it, is one native call over
the memory of Keras's variables, for variables of float64, float32, bfloat16 and float16 on the CPU. Nothing is copied.
Beside it torch takes the norms that SGD with a momentum, Muon and ScheduleFreeAdamW clip by, and adds up what
gradient_accumulation_steps accumulates. A LossScaleOptimizer around one of these is Keras's, and divides into copies.

What is not for that call is stepped by Keras's own rule in the same optimizer, with the same state, and a UserWarning
says once why: variables of an accelerator, a weight_decay of ScheduleFreeAdamW, a momentum beside a rate of 0, numbers
that make no step, a subclass with a rule of its own. With MARTLET_STRICT=1 in the environment that is an
UnsupportedError. Stateless calls are Keras's.

On JAX, TensorFlow and numpy each class is Keras's rule, with its numbers to the bit, and says so once: a train step is
compiled there, and a call out of it costs more than the step does in it.

Arguments of Martlet's own, by name, which are in configs where they are not as usual:

low_precision   how variables of bfloat16 and float16 take steps smaller than half of their last place: "stochastic", as
                usual, rounds at random, so that the mean is right, and keeps their state in float32; None rounds to
                nearest and keeps it in their own type, as Keras does, where most steps come to nothing. Variables of
                other types, those of mixed policies among them, are stepped alike by both
seed            of the random rounding, with the count of steps and a variable's place: 0 to 2**64 - 1

A model that is saved to a .keras file goes on from there to the bit; a script that loads one imports martlet.keras
first. One that has not reads the same file with custom_objects={"martlet>Adam": keras.optimizers.Adam}, into Keras's
own class. taking_over(optimizer) gives one of these in place of one of Keras's, in mid-training too.

Needs Keras 3.15: pip install keras.
"""

from __future__ import annotations

from martlet.keras import _needed as _needed
from martlet.keras.optimizers import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lamb,
    Lion,
    Muon,
    Nadam,
    RMSprop,
    ScheduleFreeAdamW,
    taking_over,
)

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "ScheduleFreeAdamW",
    "taking_over",
]
