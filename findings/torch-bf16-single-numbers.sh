#!/usr/bin/env bash
# torch's load_state_dict gives all of a parameter's state but "step" the parameter's type, single numbers too. Of bf16
# parameters NAdam's product of momenta and ASGD's rate, float32 until then, go on as bf16: after three steps a product
# of 0.09122 as 0.09131, and once reloaded it is multiplied in bf16. One would expect numbers to come back as saved.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch

for name, slot in (("NAdam", "mu_product"), ("ASGD", "eta")):
    parameter = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = getattr(torch.optim, name)([parameter])
    for _ in range(3):
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    saved = optimizer.state[parameter][slot]
    optimizer.load_state_dict(optimizer.state_dict())
    found = optimizer.state[parameter][slot]
    print(f"{name}'s {slot}: {saved.item():.8g} in {saved.dtype}, loaded {found.item():.8g} in {found.dtype}")
    assert saved.dtype == torch.float32 and found.dtype == torch.bfloat16
    assert found.item() != saved.item() and found == saved.bfloat16()
PROGRAM
