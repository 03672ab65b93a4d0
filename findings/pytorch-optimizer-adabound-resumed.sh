#!/usr/bin/env bash
# AdaBound's bounds go with the rate over the one that training began with. pytorch_optimizer's keeps that one in the
# object alone, as base_lrs: an optimizer that is made with the rate of today, and loads yesterday's state, has other
# bounds from then on. One would expect a state_dict to hold what steps depend on.
exec "$(dirname "$0")/python-with" pytorch_optimizer==4.1.0 torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import pytorch_optimizer
import torch


def step(parameter, optimizer):
    before = parameter.item()
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return before - parameter.item()


first = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
begun = pytorch_optimizer.AdaBound([first], lr=1e-3)
for _ in range(5):
    step(first, begun)
begun.param_groups[0]["lr"] = 1e-4
packed = begun.state_dict()
print("kept in the state_dict:", sorted({*packed["param_groups"][0], *packed["state"][0]}))
second = torch.nn.Parameter(first.detach().clone())
resumed = pytorch_optimizer.AdaBound([second], lr=1e-4)
resumed.load_state_dict(packed)
straight, later = step(first, begun), step(second, resumed)
print(f"the next step: {straight:.6g} straight on, {later:.6g} resumed")
assert begun.base_lrs == [1e-3] and resumed.base_lrs == [1e-4]
assert 3 < later / straight < 3.2
PROGRAM
