"""Optimizers for models: Keras's names, defaults and conventions; torch's spellings of arguments are taken too.

Ranges stand with martlet.optim's classes of the same algorithms, equations with their sources in martlet/algorithms.h.
Algorithms that Keras does not have are given by their names. martlet.optim has optimizers over arrays, whose
hyperparameters and convention compile takes as well. schedules are martlet.schedules, where Keras's stand. What an
optimizer is, is the business of _optimizer.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from martlet import _algorithms, _arguments, _ffi_optimizers, _groups, _scheduled, _spellings
from martlet import schedules as schedules
from martlet._config import Hyperparameters
from martlet._errors import ArgumentError, DTypeError
from martlet.nn import _undecayed
from martlet.nn._optimizer import Optimizer as Optimizer
from martlet.nn._storage import Storage
from martlet.nn.muon import Muon as Muon

Rate = float | Callable[[int], float]


class Adam(Optimizer, algorithm=_ffi_optimizers.ADAM, eps=1e-7):
    """Adam (Kingma and Ba, 2015), by Keras's convention: epsilon stands beside the uncorrected root of the second
    moment, and weight_decay is decoupled.

    learning_rate (or lr)                              default 0.001; or a schedule of the steps taken since compile,
                                                       such as martlet.schedules.CosineDecay(0.001, 1000)
    beta_1, beta_2 (or beta1 and beta2, or betas)      default 0.9, 0.999
    epsilon (or eps)                                   default 1e-7
    amsgrad                                            divide by the largest second moment so far
    weight_decay                                       None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class AdamW(Adam, algorithm=_ffi_optimizers.ADAMW, eps=1e-7, weight_decay=0.004):
    """AdamW (Loshchilov and Hutter, 2019): arguments as Adam's, in Keras's order; weight_decay is 0.004 by default."""

    def __init__(
        self,
        learning_rate: Rate | None = None,
        weight_decay: float = 0.004,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        if weight_decay is None:
            raise DTypeError("weight_decay is None; wanted a number: AdamW without decay is Adam")
        Optimizer.__init__(self, locals())


class SGD(Optimizer, algorithm=_ffi_optimizers.SGD, lr=0.01):
    """Gradient descent, by Keras's convention: the learning rate stands inside the momentum, and weight_decay is
    decoupled.

    learning_rate (or lr)   default 0.01
    momentum                what a step keeps of the one before; default 0
    nesterov                look ahead along the momentum, which then must not be 0
    weight_decay            None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        momentum: float | None = None,
        nesterov: bool = False,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class RMSprop(Optimizer, algorithm=_ffi_optimizers.RMSPROP, lr=0.001, alpha=0.9, eps=1e-7):
    """RMSprop (Tieleman and Hinton, 2012), by Keras's convention: epsilon stands inside the root and the learning rate
    inside the momentum, and weight_decay is decoupled.

    learning_rate (or lr)   default 0.001
    rho (or alpha)          decay rate of the squares' average; default 0.9
    momentum                what a step keeps of the one before; default 0
    epsilon (or eps)        default 1e-7
    centered                divide by the root of the variance
    weight_decay            None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        rho: float | None = None,
        momentum: float | None = None,
        epsilon: float | None = None,
        centered: bool = False,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Adagrad(Optimizer, algorithm=_ffi_optimizers.ADAGRAD, lr=0.001, initial_accumulator_value=0.1, eps=1e-7):
    """Adagrad (Duchi et al., 2011), by Keras's convention: epsilon stands inside the root, and weight_decay is
    decoupled.

    learning_rate (or lr)       default 0.001
    initial_accumulator_value   what the sum of squares starts from; default 0.1
    epsilon (or eps)            default 1e-7
    weight_decay                None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        initial_accumulator_value: float | None = None,
        epsilon: float | None = None,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Adadelta(Optimizer, algorithm=_ffi_optimizers.ADADELTA, lr=0.001, rho=0.95, eps=1e-7):
    """Adadelta (Zeiler, 2012); weight_decay is decoupled.

    learning_rate (or lr)   default 0.001, as in Keras; the paper's is 1
    rho                     decay rate of the averages; default 0.95
    epsilon (or eps)        default 1e-7
    weight_decay            None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        rho: float | None = None,
        epsilon: float | None = None,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Adamax(Optimizer, algorithm=_ffi_optimizers.ADAMAX, lr=0.001, eps=1e-7):
    """Adamax (Kingma and Ba, 2015), by Keras's convention: epsilon stands beside the largest gradient, and
    weight_decay is decoupled.

    learning_rate (or lr)                           default 0.001
    beta_1, beta_2 (or beta1 and beta2, or betas)   default 0.9, 0.999
    epsilon (or eps)                                default 1e-7
    weight_decay                                    None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Nadam(Optimizer, algorithm=_ffi_optimizers.NADAM, lr=0.001, eps=1e-7):
    """NAdam (Dozat, 2016), by Keras's convention: the momentum grows by the step, and weight_decay is decoupled.

    learning_rate (or lr)                           default 0.001
    beta_1, beta_2 (or beta1 and beta2, or betas)   default 0.9, 0.999
    epsilon (or eps)                                default 1e-7
    weight_decay                                    None for 0

    momentum_decay is read with semantics="torch" alone, and an error elsewhere. What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Lion(Optimizer, algorithm=_ffi_optimizers.LION, lr=0.001):
    """Lion (Chen et al., 2023); weight_decay is decoupled.

    learning_rate (or lr)                           default 0.001
    beta_1, beta_2 (or beta1 and beta2, or betas)   weight of the momentum in the step, and its decay rate; default 0.9,
                                                    0.99
    weight_decay                                    None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Lamb(Optimizer, algorithm=_ffi_optimizers.LAMB, lr=0.001, eps=1e-7):
    """LAMB (You et al., 2019), by Keras's convention: weight_decay is decoupled, and comes before the norm of a
    parameter is taken.

    learning_rate (or lr)                           times the norm of a parameter over that of its update; default 0.001
    beta_1, beta_2 (or beta1 and beta2, or betas)   default 0.9, 0.999
    epsilon (or eps)                                default 1e-7
    weight_decay                                    None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(locals())


class Adafactor(Optimizer, algorithm=_ffi_optimizers.ADAFACTOR, lr=0.001, eps=1e-30):
    """Adafactor (Shazeer and Stern, 2018), by Keras's convention: epsilon_1 is added to the squares of gradients, and
    weight_decay is decoupled. A parameter's matrices are those of its last two dimensions.

    learning_rate (or lr)   the most that the rate may be, which falls with the root of the steps; default 0.001
    beta_2_decay            power of the step by which the averages follow; default -0.8
    epsilon_1 (or eps)      default 1e-30
    epsilon_2 (or eps2)     the least size that a parameter counts for; default 0.001
    clip_threshold          how large an update's root of the mean of squares may be, 1 or more; default 1
    relative_step           makes no difference, as in Keras, where the rate falls without it too; semantics="optax" has
                            learning_rate for the rate
    weight_decay            None for 0

    What else there is is Optimizer's.
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        beta_2_decay: float | None = None,
        epsilon_1: float | None = None,
        epsilon_2: float | None = None,
        clip_threshold: float | None = None,
        relative_step: bool = True,
        weight_decay: float | None = None,
        **options: Any,
    ) -> None:
        _spellings.flag(relative_step, "relative_step")
        del relative_step
        super().__init__(locals())


_CLASSES: dict[int, type[Optimizer]] = {
    kind._algorithm: kind
    for kind in (Adam, AdamW, SGD, RMSprop, Adagrad, Adadelta, Adamax, Nadam, Lion, Lamb, Adafactor, Muon)
}


def get(given: Any) -> Optimizer:
    """The optimizer that a name, a class, an object or one of martlet.optim's stands for."""
    if isinstance(given, Optimizer):
        return given
    if isinstance(given, type) and given in _CLASSES.values():
        made: Optimizer = given()
        return made
    if isinstance(given, str):
        number = _arguments.one_of(given, _names(), "optimizer")
        kind: Any = _CLASSES.get(number)
        return of(_class_of(number)._defaults) if kind is None else kind()
    arrays = sys.modules.get("martlet.optim")  # who has one of its objects has imported it
    if arrays is not None and isinstance(given, arrays.Optimizer):
        groups = given.param_groups
        if len(groups) > 1:
            raise ArgumentError(
                f"optimizer has {len(groups)} groups of arrays; wanted one, or martlet.nn.Muon, which makes groups of "
                "a model's parameters"
            )
        (group,) = groups or (given.defaults,)
        row = _groups.check_group(_groups.algorithm_of(group, given._algorithm), _scheduled.at(group, 0), "optimizer")
        made = of(row, _scheduled.schedule_of(group))
        made._storage = Storage.taken({"state_dtype": group.get("state_dtype"), "param_copy": given._copies.dtype})
        return made
    raise DTypeError(
        f"optimizer is {given!r}; wanted {_arguments.listed(_names())}, or a martlet.nn or martlet.optim optimizer"
    )


def of(
    row: Hyperparameters,
    schedule: Any = None,
    others: Sequence[Hyperparameters] | None = None,
    places: Mapping[str, int] | None = None,
) -> Optimizer:
    """An optimizer with these hyperparameters. others and places: further groups, as Optimizer._of has them."""
    rows = [row.changed({"lr": 1.0}), *(others or ())]
    is_muons = others is None or _undecayed.split(rows)[0] == 2
    return _class_of(row.algorithm, is_muons)._of(row, schedule, others, places)


@cache
def _names() -> dict[str, int]:
    return {_algorithms.of(number).name: number for number in _algorithms.numbers()}


@cache
def _class_of(algorithm: int, is_muons: bool = True) -> type[Optimizer]:
    """The class of an algorithm; of one that Keras does not have, one that takes no arguments. is_muons: whether there
    are as many groups as Muon's class has."""
    if algorithm in _CLASSES and (algorithm != _ffi_optimizers.MUON or is_muons):
        return _CLASSES[algorithm]
    return type(_algorithms.of(algorithm).name, (Optimizer,), {}, algorithm=algorithm)
