#!/usr/bin/env bash
# heavyball's HyperBallAdamW takes betas=(0.9, 0.99) and has no first moment: with a beta1 of 0, 0.9 and 0.999 it makes the
# same steps. One would expect AdamW's direction.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 heavyball==3.2.1 <<'PROGRAM'
import heavyball
import torch

heavyball.utils.compile_mode = None
ends = {}
for kind in (heavyball.HyperBallAdamW, heavyball.AdamW):
    for beta1 in (0.0, 0.9, 0.999):
        torch.manual_seed(0)
        parameter = torch.nn.Parameter(torch.randn(6, 6))
        optimizer = kind([parameter], lr=0.1, betas=(beta1, 0.99))
        for step in range(10):
            parameter.grad = torch.randn(6, 6)
            optimizer.step()
        ends[kind.__name__, beta1] = parameter.detach().clone()
        print(f"{kind.__name__}(betas=({beta1}, 0.99)): {parameter[0, 0].item():.6f}")
assert torch.equal(ends["HyperBallAdamW", 0.0], ends["HyperBallAdamW", 0.9])
assert torch.equal(ends["HyperBallAdamW", 0.0], ends["HyperBallAdamW", 0.999])
assert not torch.equal(ends["AdamW", 0.0], ends["AdamW", 0.9])
PROGRAM
