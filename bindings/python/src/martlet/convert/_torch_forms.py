"""How optimizers of torch's shape keep the state of Martlet's algorithms, by library; what _forms.py is for the others.

Their options stand in param_groups, but some in the object alone, which a state_dict does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from martlet import _ffi_optimizers as _ffi
from martlet.convert._coded_forms import BITSANDBYTES, TORCHAO
from martlet.convert._forms import Form
from martlet.convert._pytorch_optimizer_forms import PYTORCH_OPTIMIZER
from martlet.convert._timm_forms import TIMM
from martlet.convert._torch_common import ADAM, AVERAGED, BELIEF, DECOUPLED, ESTIMATED, OWN_STEP, SQUARES, WHOLE, same

# ---- schedulefree: single numbers stand in the group ----

_TOLD = {"group.scheduled_lr": lambda t, numbers: numbers["lr"]}

SCHEDULEFREE = (
    Form("SGDScheduleFree", _ffi.SCHEDULE_FREE_SGD, same("z", **AVERAGED), told=_TOLD, marks=("k",)),
    Form(
        "AdamWScheduleFree",
        _ffi.SCHEDULE_FREE_ADAMW,
        same("z", "exp_avg_sq", **AVERAGED),
        told=_TOLD,
        marks=("k",),
    ),
    Form(
        "RAdamScheduleFree",
        _ffi.SCHEDULE_FREE_RADAM,
        same("z", "exp_avg_sq", **AVERAGED),
        theirs={"silent_sgd_phase": True},
        told=_TOLD,
        marks=("k",),
    ),
)

# ---- prodigyopt: so do its estimates, which are one for all groups ----


PRODIGYOPT = (
    Form(
        "Prodigy",
        _ffi.PRODIGY,
        same("exp_avg", "exp_avg_sq", "s", "p0", step="group.k", **ESTIMATED),
        {"decoupled_weight_decay": "decouple"},
        theirs={"slice_p": 1, "fsdp_in_use": False},
        told={"step": lambda t, numbers: t},
        flat=("s", "p0"),
        marks=("slice_p",),
    ),
)

# ---- the authors' own ----

SOAP = (
    Form(
        "SOAP",
        _ffi.SOAP,
        same(*ADAM, **OWN_STEP, **SQUARES),
        ours=WHOLE,
        theirs={"normalize_grads": False, "merge_dims": False},
        first=-1,
        marks=("normalize_grads", "precondition_1d", "max_precond_dim"),
    ),
)

# ---- heavyball: what each of a list of functions keeps, by its place in the list; and rules that go on otherwise ----

_IN_LISTS = "heavyball keeps its state by the places of functions in a list of them"
HEAVYBALL = tuple(
    Form(name, number, marks=("param_ecc", "storage_dtype"), differs=why)
    for name, number, why in (
        ("SOAP", _ffi.SOAP, "heavyball's SOAP turns its bases at uneven steps, and lifts their small eigenvalues"),
        ("AdamW", _ffi.ADAMW, _IN_LISTS),
        ("NAdam", _ffi.NADAM, _IN_LISTS),
        ("AdEMAMix", _ffi.ADEMAMIX, _IN_LISTS),
        ("ADOPT", _ffi.ADOPT, _IN_LISTS),
        ("LaProp", _ffi.LAPROP, _IN_LISTS),
        ("Muon", _ffi.MUON, _IN_LISTS),
        ("RMSprop", _ffi.RMSPROP, _IN_LISTS),
        ("SFAdamW", _ffi.SCHEDULE_FREE_ADAMW, _IN_LISTS),
        ("SGD", _ffi.SGD, _IN_LISTS),
    )
)

# ---- adam-mini: a group for each parameter, whose name says what its state is ----

ADAM_MINI = (
    Form(
        "Adam_mini",
        _ffi.ADAM_MINI,
        marks=("beta1", "name"),
        differs="adam-mini has a group for each parameter, whose name says what it keeps",
    ),
)

LION_PYTORCH = (Form("Lion", _ffi.LION, same("exp_avg"), ours=DECOUPLED, theirs={"decoupled_wd": False}),)
ADABELIEF_PYTORCH = (
    Form(
        "AdaBelief",
        _ffi.ADABELIEF,
        same(*BELIEF, **OWN_STEP),
        {"decoupled_weight_decay": "weight_decouple", "eps_root": "eps"},
        theirs={"fixed_decay": False, "degenerated_to_sgd": True},
        marks=("buffer",),
    ),
)

# By the name of the package that a class comes from; first whose groups have the marks of others, too.
TORCH: Mapping[str, tuple[Form, ...]] = {
    "heavyball": HEAVYBALL,
    "schedulefree": SCHEDULEFREE,
    "prodigyopt": PRODIGYOPT,
    "timm": TIMM,
    "pytorch_optimizer": PYTORCH_OPTIMIZER,
    "lion_pytorch": LION_PYTORCH,
    "adabelief_pytorch": ADABELIEF_PYTORCH,
    "soap": SOAP,
    "adam_mini": ADAM_MINI,
    "bitsandbytes": BITSANDBYTES,
    "torchao": TORCHAO,
}
