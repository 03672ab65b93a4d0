#!/usr/bin/env bash
# Shampoo(momentum=0.9) averages each gradient with the last *preconditioned* step, which has another size: of
# gradients of 1000 the steps are of size 1, so 0.1 of the gradient goes on, and nearly nothing of those before. The
# mixture goes into the Gram matrices as well, and into the parameter's grad. With preconditioning_compute_steps=5
# nothing moves before step 5. One would expect an average of gradients, or of steps, and the first step at step 1.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 pytorch_optimizer==4.1.0 <<'PROGRAM'
import torch
from pytorch_optimizer import Shampoo

torch.manual_seed(0)
parameter = torch.nn.Parameter(torch.zeros(4, 4))
optimizer = Shampoo([parameter], momentum=0.9)
for step in range(3):
    gradient = 1000 * torch.randn(4, 4)
    parameter.grad = gradient.clone()
    optimizer.step()
    left = (parameter.grad - 0.1 * gradient).norm() / gradient.norm()
    print(f"step {step + 1}: the grad is now {(parameter.grad.norm() / gradient.norm()).item():.3f} of its size, "
          f"the buffer {optimizer.state[parameter]['momentum_buffer'].norm().item():.3f}")
assert left < 1e-3

parameter = torch.nn.Parameter(torch.zeros(4, 4))
optimizer = Shampoo([parameter], lr=0.1, preconditioning_compute_steps=5)
for step in range(1, 6):
    parameter.grad = torch.randn(4, 4)
    optimizer.step()
    print(f"step {step}: the parameter is {parameter.detach().norm().item():.3g} away from its start")
    assert bool(parameter.any()) == (step == 5)
PROGRAM
