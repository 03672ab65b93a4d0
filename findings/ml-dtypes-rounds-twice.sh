#!/usr/bin/env bash
# ml_dtypes turns float64 into bfloat16 by way of float32, so it rounds twice: a number just above the middle between
# two bfloat16 values goes to the farther one. One would expect one rounding to nearest, as numpy rounds float64 to
# float16.
exec "$(dirname "$0")/python-with" ml_dtypes==0.6.0 numpy==2.4.6 <<'PROGRAM'
import ml_dtypes
import numpy as np

below, above = 1.0, 1.0 + 2.0**-7
number = 1.0 + 2.0**-8 + 2.0**-40
given = float(np.float64(number).astype(ml_dtypes.bfloat16))
print(f"{number!r} lies {number - below!r} from {below} and {above - number!r} from {above}; it became {given}")
assert above - number < number - below and given == below
half = float(np.float64(1.0 + 2.0**-11 + 2.0**-40).astype(np.float16))
print(f"numpy's float16 of the like: {half}")
assert half == 1.0 + 2.0**-10
PROGRAM
