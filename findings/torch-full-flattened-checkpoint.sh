#!/usr/bin/env bash
# torch.distributed.checkpoint.state_dict: what get_optimizer_state_dict gives with full_state_dict=True and
# flatten_optimizer_state_dict=True is refused by set_optimizer_state_dict with the same options (KeyError:
# 'param_groups.0.params.0'); each option alone goes both ways. One would expect the two together to do so as well.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 <<'PROGRAM'
import torch
from torch.distributed.checkpoint import state_dict as dcp

for options in ({"full_state_dict": True}, {"flatten_optimizer_state_dict": True},
                {"full_state_dict": True, "flatten_optimizer_state_dict": True}):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    options = dcp.StateDictOptions(**options)
    saved = dcp.get_optimizer_state_dict(model, optimizer, options=options)
    try:
        dcp.set_optimizer_state_dict(model, optimizer, saved, options=options)
        said = "loaded"
    except KeyError as error:
        said = f"KeyError: {error}"
    both = options.full_state_dict and options.flatten_optimizer_state_dict
    print(f"full {options.full_state_dict}, flattened {options.flatten_optimizer_state_dict}: {said}")
    assert said.startswith("KeyError") == both
PROGRAM
