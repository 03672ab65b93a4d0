#!/usr/bin/env bash
# heavyball's SOAP(precondition_frequency=3) refreshes its bases at steps 3, 7, 9, 12, 16 and 19, with 10 at 11, 20, 30,
# 40 and 51: it adds 1/3 or 0.1 up in floats and compares whole parts. One would expect every third step, or tenth.
exec "$(dirname "$0")/python-with" torch==2.15.0 numpy==2.4.6 heavyball==3.2.1 <<'PROGRAM'
import heavyball
import torch

heavyball.utils.compile_mode = None
inner, found = heavyball.utils.get_orthogonal_matrix_QR, {}
for frequency in (2, 3, 10):
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(6, 6))
    optimizer = heavyball.SOAP([parameter], precondition_frequency=frequency)
    turned = found.setdefault(frequency, [])
    heavyball.utils.get_orthogonal_matrix_QR = lambda *a, **k: (turned.append(step), inner(*a, **k))[1]
    for step in range(1, 6 * frequency + 2):
        parameter.grad = torch.randn(6, 6)
        optimizer.step()
    print(f"precondition_frequency={frequency}: refreshes at {turned}")
assert found[2] == [2, 4, 6, 8, 10, 12]
assert found[3] == [3, 7, 9, 12, 16, 19]
assert found[10] == [11, 20, 30, 40, 51, 61]
PROGRAM
