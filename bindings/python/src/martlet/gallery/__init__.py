"""Every algorithm on the same problems, its learning rate swept over the same grid: what `python -m martlet gallery`
prints and writes. surfaces.py has the problems, sweeps.py the runs, table.py what is shown of them."""
