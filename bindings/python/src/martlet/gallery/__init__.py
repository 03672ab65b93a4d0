"""Every algorithm on the same problems, its learning rate swept over the same grid: what `python -m martlet gallery`
prints and writes.

contenders.py has the algorithms, surfaces.py and digits.py the problems, sweeps.py the runs; table.py and pictures.py
sensitivity.py show them, on canvas.py; command.py
puts them together.
"""
