"""The peers of the optimizer's cases: Adam in each library, and in numpy as people write it by hand.

All have the same shapes, learning rate and gradients. It times nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, cycle
from typing import Any

import numpy as np

import cases
from peer import Peer, threads


def torch_peer(make: Callable[[list[Any]], Any], case: cases.Case, denormal: bool = False, half: bool = False) -> Peer:
    """A torch optimizer over the case's shapes. denormal: gradients and moments are under the normal range; half:
    parameters and gradients are bfloat16."""
    import torch

    torch.set_num_threads(threads())
    torch.manual_seed(1)
    parameters, gradients = [], []
    for shape in case.shapes:
        dtype = torch.bfloat16 if half else torch.float32
        parameter = torch.nn.Parameter((torch.randn(shape) * 0.02).to(dtype))
        parameter.grad = torch.full(shape, 1e-40) if denormal else (torch.randn(shape) * 1e-2).to(dtype)
        parameters.append(parameter)
        gradients.append(parameter.grad)
    optimizer = make(parameters)
    optimizer.step()
    if denormal:
        for state in optimizer.state.values():
            state["exp_avg"].fill_(1e-40)
            state["exp_avg_sq"].fill_(1e-40)
    others = [gradient.flip(0) for gradient in gradients] if case.gap else gradients
    sets = cycle((others, gradients))

    def renew() -> None:
        # Autograd makes tensors of its own from these, as it does in a training loop.
        optimizer.zero_grad()
        torch.autograd.backward(parameters, next(sets))

    return Peer(optimizer.step, renew)


def martlet_peer(case: cases.Case, denormal: bool = False, **options: Any) -> Peer:
    import martlet.torch

    return torch_peer(lambda parameters: martlet.torch.Adam(parameters, **options), case, denormal)


def adam_peer(case: cases.Case, denormal: bool = False, **options: Any) -> Peer:
    import torch

    return torch_peer(lambda parameters: torch.optim.Adam(parameters, **options), case, denormal)


def deepspeed_peer(case: cases.Case) -> Peer:
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return torch_peer(DeepSpeedCPUAdam, case)


def arrays(case: cases.Case) -> tuple[list[Any], list[Any]]:
    """Parameters and gradients in numpy."""
    rng = np.random.default_rng(1)
    params = [rng.standard_normal(shape, np.float32) * np.float32(0.02) for shape in case.shapes]
    return params, [rng.standard_normal(shape, np.float32) * np.float32(0.01) for shape in case.shapes]


def optax_peer(case: cases.Case) -> Peer:
    import jax
    import optax

    params, grads = (list(map(jax.numpy.asarray, part)) for part in arrays(case))
    optimizer = optax.adam(1e-3)
    held = {"params": params, "state": optimizer.init(params), "grads": grads}
    sets = cycle(([jax.numpy.flip(grad, 0) for grad in grads], grads)) if case.gap else cycle((grads,))

    def update(params: Any, state: Any, grads: Any) -> Any:
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        held["params"], held["state"] = jax.block_until_ready(compiled(held["params"], held["state"], held["grads"]))

    def renew() -> None:
        held["grads"] = jax.block_until_ready([grad.copy() for grad in next(sets)])

    step()
    return Peer(step, renew)


def optim_peer(case: cases.Case) -> Peer:
    import martlet.optim

    params, grads = arrays(case)
    optimizer = martlet.optim.Adam(params)
    return Peer(lambda: optimizer.step(grads))


def numpy_peer(case: cases.Case) -> Peer:
    """Adam as people write it who have numpy and care for speed: in place, through two scratch arrays."""
    params, grads = arrays(case)
    firsts, seconds = ([np.zeros_like(param) for param in params] for _ in range(2))
    scratches = [(np.empty_like(param), np.empty_like(param)) for param in params]
    steps = count(1)

    def step() -> None:
        t = next(steps)
        root = (1 - 0.999**t) ** 0.5
        size = 1e-3 * root / (1 - 0.9**t)
        for p, g, m, v, (a, b) in zip(params, grads, firsts, seconds, scratches, strict=True):
            np.subtract(g, m, out=a)
            a *= 0.1
            m += a
            np.multiply(g, g, out=a)
            a *= 0.001
            v *= 0.999
            v += a
            np.sqrt(v, out=a)
            a += 1e-8 * root
            np.multiply(m, size, out=b)
            b /= a
            p -= b

    return Peer(step)


MAKERS: dict[str, Callable[[cases.Case], Peer]] = {
    cases.MARTLET: martlet_peer,
    cases.DEFAULT: adam_peer,
    cases.FOREACH: lambda case: adam_peer(case, foreach=True),
    cases.FUSED: lambda case: adam_peer(case, fused=True),
    cases.DEEPSPEED: deepspeed_peer,
    cases.OPTAX: optax_peer,
    cases.NUMPY_MARTLET: optim_peer,
    cases.NUMPY: numpy_peer,
    cases.DENORMALS: lambda case: martlet_peer(case, denormal=True),
    cases.DENORMALS_KEPT: lambda case: martlet_peer(case, denormal=True, flush_denormals=False),
    cases.FUSED_DENORMALS: lambda case: adam_peer(case, denormal=True, fused=True),
}


CASES = {case.name: case for case in (*cases.CASES, cases.DENORMAL_CASE)}


def make(peer: str, name: str) -> Peer:
    """A peer, ready to take the steps of the case of this name."""
    return MAKERS[peer](CASES[name])
