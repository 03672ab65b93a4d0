"""One peer in a process of its own: ``python worker.py PEER``.

Reads commands on standard input and answers each with one line of JSON on standard output:
``load CASE COUNT`` builds the parameters and the optimizer, ``burst SECONDS GAP`` takes steps for about that long and
answers the seconds of one. While it waits it blocks on the read, so the cores belong to whoever is being measured.
It compares nothing; compare.py does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import count, cycle
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import cases

Act = Callable[[], object]


class Peer(NamedTuple):
    """What a burst calls: the step that is timed, and what a backward pass would do before it, which is not."""

    step: Act
    renew: Act


def torch_peer(make: Callable[[list[Any]], Any], case: cases.Case, denormal: bool = False) -> Peer:
    """A torch optimizer over the case's shapes; with ``denormal`` gradients and moments are under the normal range."""
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(1)
    parameters, gradients = [], []
    for shape in case.shapes:
        parameter = torch.nn.Parameter(torch.randn(shape) * 0.02)
        parameter.grad = torch.full(shape, 1e-40) if denormal else torch.randn(shape) * 1e-2
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
    return Peer(lambda: optimizer.step(grads), lambda: None)


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

    return Peer(step, lambda: None)


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


def pass_time(scratch: np.ndarray[Any, Any], seconds: float) -> None:
    """What a training loop does between steps: work on one core, in other memory."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        np.add(scratch, 1, out=scratch)


def burst(peer: Peer, seconds: float, gap: float, known: float) -> float:
    """Seconds for one step, over about ``seconds`` of them; at least one is timed.

    A tenth of that goes before and warms up, but not where one step is ``known`` to take longer than the whole burst.
    """
    if gap:
        return burst_with_gaps(peer, seconds, gap)
    step = peer.step
    warm, taken, start = 0, 0.0, perf_counter()
    while known < seconds and taken < seconds / 10:
        step()
        warm += 1
        taken = perf_counter() - start
    # The clock is read some fifty times a burst, so that it costs nothing where a step takes a few microseconds.
    block = max(1, int(seconds / 50 * warm / taken)) if warm else 1
    done, taken, start = 0, 0.0, perf_counter()
    while taken < seconds:
        for _ in range(block):
            step()
        done += block
        taken = perf_counter() - start
    return taken / done


def burst_with_gaps(peer: Peer, seconds: float, gap: float) -> float:
    """The same with other work and gradients of another backward pass before each step, none of it timed."""
    scratch = np.zeros(65536, np.float32)
    total, done = 0.0, -3  # three to warm up
    end = perf_counter() + seconds
    while done < 1 or perf_counter() < end:
        pass_time(scratch, gap)
        peer.renew()
        start = perf_counter()
        peer.step()
        taken = perf_counter() - start
        done += 1
        total = total + taken if done > 0 else 0.0
    return total / done


def version(peer: str) -> str:
    package = peer.replace(",", "").split()[0].split(".")[0].lower()
    module = sys.modules.get(package)
    return f"{package} {getattr(module, '__version__', '')}".strip()


def notes() -> dict[str, object]:
    """What Martlet's latest step ran on."""
    martlet = sys.modules.get("martlet")
    if martlet is None:
        return {}
    machine = martlet.machine()
    return {"isa": machine.last_isa, "threads": machine.last_threads}


def main() -> None:
    name = sys.argv[1]
    # Peers print what they like to standard output; the answers keep a copy of it, and it becomes standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer: Peer | None = None
    seconds = 0.0
    for line in sys.stdin:
        command, *arguments = line.split()
        answer: dict[str, object]
        try:
            if command == "load":
                known = {case.name: case for case in (*cases.CASES, cases.DENORMAL_CASE)}
                peer = MAKERS[name](known[arguments[0]])
                answer = {"ready": version(name)}
            elif command == "burst" and peer is not None:
                seconds = burst(peer, float(arguments[0]), float(arguments[1]), seconds)
                answer = {"seconds": seconds, **notes()}
            else:
                break
        except Exception as error:  # a peer that cannot be built or imported is a line of the report
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
