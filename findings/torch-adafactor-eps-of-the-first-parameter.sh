#!/usr/bin/env bash
# torch's Adafactor takes its default eps from the type of a parameter: 1.2e-7 for float32, 7.8e-3 for bfloat16. Its
# default loop on the CPU does so once in a group, at the first parameter: a float32 parameter behind a bfloat16 one,
# with gradients of 1e-5, moves by a thousandth of what it moves by itself.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch


def moved(first: torch.dtype) -> float:
    parameters = [torch.nn.Parameter(torch.ones(4, 4, dtype=dtype)) for dtype in (first, torch.float32)]
    optimizer = torch.optim.Adafactor(parameters, lr=0.1)
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-5)
    optimizer.step()
    return 1 - parameters[1][0, 0].item()


behind, alone = moved(torch.bfloat16), moved(torch.float32)
print(f"a float32 parameter behind a bfloat16 one moved by {behind:.6f}, behind a float32 one by {alone:.6f}")
assert behind < 0.01 * alone
PROGRAM
