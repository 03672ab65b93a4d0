"""The classes: each a Keras optimizer whose step is the library's, by the algorithm that _rules.py makes of it.

What an argument means stands with Keras's class; what all have more, with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from martlet import _ffi_optimizers as _ffi
from martlet._errors import UnsupportedError
from martlet.keras import _rules
from martlet.keras._rules import Kind

if keras.config.backend() == "torch":
    from martlet.keras._native import Optimizer
else:
    from martlet.keras._elsewhere import Optimizer

_BETAS = {"beta1": "beta_1", "beta2": "beta_2"}
_EPSILON = {"eps": "epsilon"}
_MOMENTS = {"exp_avg": "_momentums", "exp_avg_sq": "_velocities"}
_KERAS = keras.optimizers
_registered = keras.saving.register_keras_serializable("martlet")


def _rule(kind: Any) -> Any:
    """Keras's class as its backend has it."""
    return type(kind.__new__(kind))


_SGD = Kind(_ffi.SGD, {"momentum_buffer": "momentums"}, {"momentum": "momentum"}, {_ffi.NESTEROV: "nesterov"})


@_registered
class SGD(Optimizer, _rule(_KERAS.SGD), groups=_rules.sgd(_SGD)):  # type: ignore[misc]
    """Gradient descent with momentum, with the arguments of keras.optimizers.SGD."""

    def _martlet_clips_before(self) -> bool:
        # The library's norm would be that of gradients times the rate.
        return bool(self.momentum) and _rules.clips_by_norm(self)


_RMSPROP = Kind(
    _ffi.RMSPROP,
    {"square_avg": "_velocities", "momentum_buffer": "_momentums", "grad_avg": "_average_gradients"},
    {"alpha": "rho", "momentum": "momentum", **_EPSILON},
    {_ffi.CENTERED: "centered"},
)


@_registered
class RMSprop(Optimizer, _rule(_KERAS.RMSprop), groups=_rules.usual(_RMSPROP)):  # type: ignore[misc]
    """RMSprop (Tieleman and Hinton, 2012), with the arguments of keras.optimizers.RMSprop."""


# Keras's sums of squares start where the argument says.
_ADAGRAD = Kind(_ffi.ADAGRAD, {"sum": "_accumulators"}, _EPSILON, fixed={"initial_accumulator_value": 0.0})


@_registered
class Adagrad(Optimizer, _rule(_KERAS.Adagrad), groups=_rules.usual(_ADAGRAD)):  # type: ignore[misc]
    """Adagrad (Duchi et al., 2011), with the arguments of keras.optimizers.Adagrad."""


_ADADELTA = Kind(
    _ffi.ADADELTA,
    {"square_avg": "_accumulated_grads", "acc_delta": "_accumulated_delta_vars"},
    {"rho": "rho", **_EPSILON},
)


@_registered
class Adadelta(Optimizer, _rule(_KERAS.Adadelta), groups=_rules.usual(_ADADELTA)):  # type: ignore[misc]
    """Adadelta (Zeiler, 2012), with the arguments of keras.optimizers.Adadelta."""


_ADAM = Kind(_ffi.ADAM, {**_MOMENTS, "max_exp_avg_sq": "_velocity_hats"}, _BETAS | _EPSILON, {_ffi.AMSGRAD: "amsgrad"})


@_registered
class Adam(Optimizer, _rule(_KERAS.Adam), groups=_rules.usual(_ADAM)):  # type: ignore[misc]
    """Adam (Kingma and Ba, 2015), with the arguments of keras.optimizers.Adam."""


@_registered
class AdamW(Optimizer, _rule(_KERAS.AdamW), groups=_rules.usual(_ADAM)):  # type: ignore[misc]
    """AdamW (Loshchilov and Hutter, 2019), with the arguments of keras.optimizers.AdamW."""


_ADAMAX = Kind(_ffi.ADAMAX, {"exp_avg": "_m", "exp_inf": "_u"}, _BETAS | _EPSILON)


@_registered
class Adamax(Optimizer, _rule(_KERAS.Adamax), groups=_rules.usual(_ADAMAX)):  # type: ignore[misc]
    """Adamax (Kingma and Ba, 2015), with the arguments of keras.optimizers.Adamax."""


@_registered
class Nadam(
    Optimizer,
    _rule(_KERAS.Nadam),  # type: ignore[misc]
    groups=_rules.usual(Kind(_ffi.NADAM, _MOMENTS, _BETAS | _EPSILON)),
):
    """NAdam (Dozat, 2016), with the arguments of keras.optimizers.Nadam."""

    def _martlet_scalars(self, taken: int) -> Mapping[str, float]:
        return {**super()._martlet_scalars(taken), "mu_product": float(self._u_product.numpy())}

    def _martlet_count(self, taken: int) -> None:
        self._u_product.assign(float(self._u_product.numpy()) * self.beta_1 * (1.0 - 0.5 * 0.96 ** (taken + 1)))


_LION = Kind(_ffi.LION, {"exp_avg": "_momentums"}, _BETAS)


@_registered
class Lion(Optimizer, _rule(_KERAS.Lion), groups=_rules.usual(_LION)):  # type: ignore[misc]
    """Lion (Chen et al., 2023), with the arguments of keras.optimizers.Lion."""


_LAMB = Kind(_ffi.LAMB, _MOMENTS, _BETAS | _EPSILON)


@_registered
class Lamb(Optimizer, _rule(_KERAS.Lamb), groups=_rules.usual(_LAMB)):  # type: ignore[misc]
    """LAMB (You et al., 2019), with the arguments of keras.optimizers.Lamb."""


_ADAFACTOR = Kind(
    _ffi.ADAFACTOR,
    {"variance": "_v", "row_var": "_r", "col_var": "_c"},
    {"beta2_decay": "beta_2_decay", "eps": "epsilon_1", "eps2": "epsilon_2", "clipping_threshold": "clip_threshold"},
)


@_registered
class Adafactor(Optimizer, _rule(_KERAS.Adafactor), groups=_rules.usual(_ADAFACTOR)):  # type: ignore[misc]
    """Adafactor (Shazeer and Stern, 2018), with the arguments of keras.optimizers.Adafactor. Of a matrix Keras's
    velocity is worked out from its rows and columns at each step: here it stays 0."""


_MUON = Kind(
    _ffi.MUON,
    {"momentum_buffer": "momentums"},
    {"momentum": "momentum", "ns_steps": "ns_steps", "ns_a": "muon_a", "ns_b": "muon_b", "ns_c": "muon_c"},
    {_ffi.NESTEROV: "nesterov"},
)
_BESIDE_MUON = Kind(
    _ffi.ADAM,
    {"exp_avg": "momentums", "exp_avg_sq": "adam_velocities"},
    {"beta1": "adam_beta_1", "beta2": "adam_beta_2", **_EPSILON},
)


@_registered
class Muon(Optimizer, _rule(_KERAS.Muon), groups=_rules.muon(_MUON, _BESIDE_MUON)):  # type: ignore[misc]
    """Muon (Jordan et al., 2024) for matrices and AdamW for the rest, with the arguments of keras.optimizers.Muon and
    its choice of what goes where. A matrix's norm counts as 1e-7 at least, where Keras adds 1e-7 to it."""

    def _martlet_clips_before(self) -> bool:
        # Matrices' norms would be those of gradients divided by a part.
        return _rules.clips_by_norm(self)

    def _martlet_place(self, variable: Any) -> int:
        return int(super()._martlet_place(variable)) + (2 if self._should_use_adamw(variable) else 0)


# Keras weighs all steps alike.
_SCHEDULE_FREE = Kind(
    _ffi.SCHEDULE_FREE_ADAMW,
    {"z": "_momentums", "exp_avg_sq": "_velocities"},
    _BETAS | _EPSILON,
    semantics="torch",
    fixed={"r": 0.0, "weight_lr_power": 0.0},
)


@_registered
class ScheduleFreeAdamW(
    Optimizer,
    _rule(_KERAS.ScheduleFreeAdamW),  # type: ignore[misc]
    groups=_rules.schedule_free(_SCHEDULE_FREE),
):
    """Schedule-Free AdamW (Defazio et al., 2024), with the arguments of keras.optimizers.ScheduleFreeAdamW. With
    weight_decay it is stepped by Keras's rule."""

    def _martlet_clips_before(self) -> bool:
        # torch's convention, which is all that there is here, adds to norms.
        return _rules.clips_by_norm(self)

    def _martlet_rate(self) -> float:
        step = self._martlet_taken() // (self.gradient_accumulation_steps or 1) + 1
        return float(super()._martlet_rate()) * (min(step / self.warmup_steps, 1.0) if self.warmup_steps > 0 else 1.0)

    def _martlet_scalars(self, taken: int) -> Mapping[str, float]:
        return {"weight_sum": float(taken), "lr_max": self._martlet_rate()}


_CLASSES = (SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Adamax, Nadam, Lion, Lamb, Adafactor, Muon, ScheduleFreeAdamW)


def taking_over(optimizer: Any, **options: Any) -> Any:
    """The optimizer of this module that goes on where one of keras.optimizers is: with its config and, where that has
    been built, a copy of its state.

    options: low_precision and seed. A LossScaleOptimizer gets one inside. An UnsupportedError for a class that is not
    among these, and for a subclass with a rule of its own.
    """
    if isinstance(optimizer, _KERAS.LossScaleOptimizer):
        config = {key: value for key, value in optimizer.get_config().items() if key != "inner_optimizer"}
        made = _KERAS.LossScaleOptimizer(taking_over(optimizer.inner_optimizer, **options), **config)
    else:
        kind = next((kind for kind in _CLASSES if type(optimizer) is _rule(getattr(_KERAS, kind.__name__))), None)
        if kind is None:
            raise UnsupportedError(
                f"{type(optimizer).__name__} is none of {', '.join(kind.__name__ for kind in _CLASSES)} of Keras"
            )
        made = kind.from_config({**optimizer.get_config(), **options})
    if optimizer.built:
        made.build(optimizer._trainable_variables)
        for ours, theirs in zip(made.variables, optimizer.variables, strict=True):
            ours.assign(theirs)
    return made
