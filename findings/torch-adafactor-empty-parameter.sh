#!/usr/bin/env bash
# torch's optimizers pass over a parameter without elements, such as a layer that pruning or a shard has left nothing of.
# Its Adafactor divides by the number of elements: a ZeroDivisionError, after the parameters before it were stepped.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

for kind in (torch.optim.Adam, torch.optim.SGD, torch.optim.Adafactor):
    parameters = [torch.nn.Parameter(torch.ones(shape)) for shape in (3, 0, 3)]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer = kind(parameters, lr=0.1)
    try:
        optimizer.step()
        said = "no error"
    except ZeroDivisionError as error:
        said = f"ZeroDivisionError: {error}"
    moved = [parameter.numel() and bool((parameter != 1).all()) for parameter in parameters]
    print(f"{kind.__name__}: {said}; the first has moved: {moved[0]}, the last: {moved[2]}")
    assert moved[0] and moved[2] == (kind is not torch.optim.Adafactor)
    assert (said == "no error") == (kind is not torch.optim.Adafactor)
PROGRAM
