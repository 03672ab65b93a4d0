#!/usr/bin/env bash
# torch's load_state_dict rebuilds every iterable in an optimizer's state from a generator: a text becomes the name of
# that generator, and a named tuple is a TypeError. One would expect both to come back as they were saved.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
from collections import namedtuple

import torch

parameter = torch.nn.Parameter(torch.ones(1))
optimizer = torch.optim.Adam([parameter])
parameter.grad = torch.ones(1)
optimizer.step()
optimizer.state[parameter]["note"] = "warm-up"
optimizer.load_state_dict(optimizer.state_dict())
print(f"the text after loading: {optimizer.state[parameter]['note']!r}")
assert optimizer.state[parameter]["note"].startswith("<generator object")
optimizer.state[parameter]["pair"] = namedtuple("Pair", "first second")(1, 2)
try:
    optimizer.load_state_dict(optimizer.state_dict())
    raise SystemExit("the named tuple was loaded")
except TypeError as error:
    print(f"a named tuple: TypeError: {error}")
PROGRAM
