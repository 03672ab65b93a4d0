"""What the forms of several libraries of torch's shape have in common: slots of the same names, and options."""

from __future__ import annotations

from martlet.convert._forms import NONE


def same(*slots: str, **others: str) -> dict[str, str]:
    return {**{slot: slot for slot in slots}, **others}


ADAM = ("exp_avg", "exp_avg_sq")
BELIEF = ("exp_avg", "exp_avg_var", "max_exp_avg_var")
OWN_STEP = {"step": "step"}
DECOUPLED = {"decoupled_weight_decay": True}
LATE_DECAY = {"weight_decay": NONE}  # it decays what the step has moved
RATE_INSIDE = {"semantics": ("torch", "keras", "optax")}  # of the momentum
SECOND_RATE = {"exp_avg_lr_2": lambda t, numbers: 1 - numbers["beta2"] ** t}
# Single numbers of whole groups: schedulefree's, and the estimates of Prodigy.
AVERAGED = {"step": "group.k", "weight_sum": "group.weight_sum", "lr_max": "group.lr_max"}
ESTIMATED = {"d": "group.d", "d_max": "group.d_max", "d_numerator": "group.d_numerator"}
# The parts of SOAP's lists, and that its sides are not cut.
SQUARES = {"gram_rows": "GG.0", "gram_columns": "GG.1", "basis_rows": "Q.0", "basis_columns": "Q.1"}
WHOLE = {"block_size": 0.0}
