"""The state of optimizers from and to other libraries, by name, in the middle of training.

    optimizer.load_state_dict(martlet.convert.from_keras(keras_optimizer, optimizer))
    optimizer.load_state_dict(martlet.convert.from_optax(opt_state, optimizer))
    optimizer.load_state_dict(martlet.convert.from_torch(other_optimizer, optimizer))

optimizer is one of martlet.optim or martlet.torch with the same parameters. The other way:

    martlet.convert.to_keras(optimizer, keras_optimizer)
    opt_state = martlet.convert.to_optax(optimizer, opt_state)
    other_optimizer.load_state_dict(martlet.convert.to_torch(optimizer, other_optimizer))

Optimizers of torch's shape are those of torch itself, schedulefree, prodigyopt, timm, pytorch_optimizer, lion-pytorch,
adabelief-pytorch, bitsandbytes and torchao; load_state_dict knows their state_dicts by itself, too, but that of timm's
RAdamLegacy, which looks like torch's RAdam's. What stands in the object alone a state_dict does not tell: the rate that
pytorch_optimizer's AdaBound began with is the initial_lr that a scheduler of torch's has left in the group, else lr,
with a warning; torchao's is of Adam or AdamW as ours is.

State of few bits is what its codes stand for: that of bitsandbytes (its classes of 8 and of 32 bits, LAMB and LARS
apart) and torchao (8bit, 4bit, Fp8) is kept here as the group's state_dtype says, in the nearest codes, and goes there
in the nearest of theirs. Other libraries are given numbers.

Every algorithm that the other library has by the same rule is served. A library that goes by another convention has its
optimizer's semantics set; where the rule is another one, as that of a subclass may be, or an option is on that Martlet
does not have, an UnsupportedError or ArgumentError says so, and nothing is changed. Parameters' values are not moved:
they are the same arrays, or the caller's to copy.
"""

from martlet.convert._keras import from_keras, to_keras
from martlet.convert._optax import from_optax, to_optax
from martlet.convert._torch import from_torch, to_torch

__all__ = ["from_keras", "from_optax", "from_torch", "to_keras", "to_optax", "to_torch"]
