"""One peer in a process of its own: ``python worker.py PEER``.

Reads commands on standard input and answers each with one line of JSON on standard output:
``load CASE COUNT`` builds the parameters and the optimizer, ``burst STEPS GAP`` times that many steps and answers
the seconds for one. While it waits it blocks on the read, so the cores belong to whoever is being measured.
It compares nothing; compare.py does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import cases

Step = Callable[[], object]


def torch_parameters(case: cases.Case, denormal: bool) -> list[Any]:
    import torch

    torch.set_num_threads(2)
    torch.manual_seed(1)
    parameters = []
    for shape in case.shapes:
        parameter = torch.nn.Parameter(torch.randn(shape) * 0.02)
        parameter.grad = torch.full(shape, 1e-40) if denormal else torch.randn(shape) * 1e-2
        parameters.append(parameter)
    return parameters


def torch_step(optimizer: Any, denormal: bool) -> Step:
    """The optimizer's step; with ``denormal`` its moments are set to numbers under the normal range first."""
    optimizer.step()
    if denormal:
        for state in optimizer.state.values():
            state["exp_avg"].fill_(1e-40)
            state["exp_avg_sq"].fill_(1e-40)
    step: Step = optimizer.step
    return step


def martlet_step(case: cases.Case, denormal: bool = False, **options: Any) -> Step:
    import martlet.torch

    return torch_step(martlet.torch.Adam(torch_parameters(case, denormal), **options), denormal)


def peer_step(case: cases.Case, denormal: bool = False, **options: Any) -> Step:
    import torch

    return torch_step(torch.optim.Adam(torch_parameters(case, denormal), **options), denormal)


def deepspeed_step(case: cases.Case) -> Step:
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    return torch_step(DeepSpeedCPUAdam(torch_parameters(case, False)), False)


def optax_step(case: cases.Case) -> Step:
    import jax
    import optax

    rng = np.random.default_rng(1)
    params = [jax.numpy.asarray(rng.standard_normal(shape, np.float32) * 0.02) for shape in case.shapes]
    grads = [jax.numpy.asarray(rng.standard_normal(shape, np.float32) * 0.01) for shape in case.shapes]
    optimizer = optax.adam(1e-3)
    held = {"params": params, "state": optimizer.init(params)}

    def update(params: Any, state: Any, grads: Any) -> Any:
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step() -> None:
        held["params"], held["state"] = jax.block_until_ready(compiled(held["params"], held["state"], grads))

    step()
    return step


MAKERS: dict[str, Callable[[cases.Case], Step]] = {
    cases.MARTLET: martlet_step,
    cases.DEFAULT: peer_step,
    cases.FOREACH: lambda case: peer_step(case, foreach=True),
    cases.FUSED: lambda case: peer_step(case, fused=True),
    cases.DEEPSPEED: deepspeed_step,
    cases.OPTAX: optax_step,
    cases.DENORMALS: lambda case: martlet_step(case, denormal=True),
    cases.DENORMALS_KEPT: lambda case: martlet_step(case, denormal=True, flush_denormals=False),
    cases.FUSED_DENORMALS: lambda case: peer_step(case, denormal=True, fused=True),
}


def pass_time(scratch: np.ndarray[Any, Any], seconds: float) -> None:
    """What a training loop does between steps: work on one core, in other memory."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        np.add(scratch, 1, out=scratch)


def burst(step: Step, steps: int, gap: float) -> float:
    """Seconds for one step, over ``steps`` of them after some that are not timed."""
    for _ in range(max(1, steps // 10)):
        step()
    if not gap:
        start = perf_counter()
        for _ in range(steps):
            step()
        return (perf_counter() - start) / steps
    scratch = np.zeros(65536, np.float32)
    total = 0.0
    for _ in range(steps):
        pass_time(scratch, gap)
        start = perf_counter()
        step()
        total += perf_counter() - start
    return total / steps


def version(peer: str) -> str:
    package = peer.replace(",", "").split()[0].lower()
    module = sys.modules.get(package)
    return f"{package} {getattr(module, '__version__', '')}".strip()


def main() -> None:
    peer = sys.argv[1]
    # Peers print what they like to standard output; the answers keep a copy of it, and it becomes standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    step: Step | None = None
    for line in sys.stdin:
        command, *arguments = line.split()
        answer: dict[str, object]
        try:
            if command == "load":
                known = {case.name: case for case in (*cases.CASES, cases.DENORMAL_CASE)}
                step = MAKERS[peer](known[arguments[0]])
                answer = {"ready": version(peer)}
            elif command == "burst" and step is not None:
                answer = {"seconds": burst(step, int(arguments[0]), float(arguments[1]))}
            else:
                break
        except Exception as error:  # a peer that cannot be built or imported is a line of the report
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
