#!/usr/bin/env bash
# torch's load_state_dict keeps the tensors that it is given where types agree: after b.load_state_dict(a.state_dict())
# the two optimizers have one set of moments and one step count, and each step of b moves a's. One would expect a copy,
# as load_state_dict of a module makes.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
a, b = torch.optim.Adam([first]), torch.optim.Adam([second])
first.grad = torch.ones(1)
a.step()
before = {name: value.item() for name, value in a.state[first].items()}
b.load_state_dict(a.state_dict())
second.grad = torch.full((1,), 5.0)
b.step()
after = {name: value.item() for name, value in a.state[first].items()}
print(f"a's state before b's step: {before}\nand after it:              {after}")
assert before["step"] == 1 and after["step"] == 2 and after["exp_avg"] != before["exp_avg"]
PROGRAM
