#!/usr/bin/env bash
# Adam_mini cuts parameters into blocks by words anywhere in their names: "wo", of attention's projection, is in
# "network.0.weight". Where nothing is said of heads there are 32, of 64 rows of 2,048: queries of 4,096 by 4,096 are
# then 128 blocks, without a word, and those of 64 by 64 stop the step. So does a normalization with "mlp" in its name,
# and a kernel. One would expect blocks that follow from the model, or to be told that they do not.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 adam-mini==1.1.1 <<'PROGRAM'
import torch
from adam_mini import Adam_mini


def blocks(name, *shape):
    parameter = torch.nn.Parameter(torch.ones(shape))
    parameter.grad = torch.ones(shape)
    optimizer = Adam_mini([(name, parameter)], verbose=False)
    try:
        optimizer.step()
    except (IndexError, RuntimeError) as error:
        found = type(error).__name__
    else:
        found = optimizer.state[parameter]["vmean"].numel()
    print(f"{name}, {' x '.join(map(str, shape))}: {found}")
    return found


assert blocks("network.0.weight", 8, 4) == 8
assert blocks("fc1.weight", 8, 4) == 1
assert blocks("q_proj.weight", 4096, 4096) == 128
assert blocks("q_proj.weight", 64, 64) == "RuntimeError"
assert blocks("mlp.norm.weight", 16) == "IndexError"
assert blocks("mlp.conv.weight", 8, 4, 3, 3) == "RuntimeError"
PROGRAM
