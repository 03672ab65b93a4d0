#!/usr/bin/env bash
# polars' to_numpy gives integers as float64 where one is missing, so those beyond 2^53 become other integers, silently.
# One would expect an error, or an exact answer, as for the same column without the null.
exec "$(dirname "$0")/python-with" polars==2.1.0 numpy==2.4.6 <<'PROGRAM'
import polars

number = 2**53 + 1
whole, missing = polars.Series([number]).to_numpy(), polars.Series([number, None]).to_numpy()
print(f"{number} alone: {whole.dtype} {whole[0]}; beside a null: {missing.dtype} {int(missing[0])}")
assert int(whole[0]) == number and int(missing[0]) == number - 1
PROGRAM
