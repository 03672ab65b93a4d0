"""How libraries that keep their state in codes keep that of Martlet's algorithms, once it is in numbers (_coded.py)."""

from __future__ import annotations

from martlet import _ffi_optimizers as _ffi
from martlet.convert._forms import Form
from martlet.convert._torch_common import ADAM, DECOUPLED, OWN_STEP, same

_TWO = {"exp_avg": "state1", "exp_avg_sq": "state2", **OWN_STEP}
_COUNTED = {"step": lambda t, numbers: t}
# What the object alone says.
_PLAIN = {"max_unorm": 0.0, "skip_zeros": False, "percentile_clipping": (None, 100)}
_BOUNDED = "bounds the steps of another rule by the parameter's norm"
_BITSANDBYTES = (
    Form("Adam", _ffi.ADAM, _TWO, ours=DECOUPLED, theirs=_PLAIN),
    Form("AdamW", _ffi.ADAMW, _TWO, ours=DECOUPLED, theirs=_PLAIN),
    Form("Lion", _ffi.LION, {"exp_avg": "state1"}, ours=DECOUPLED, theirs=_PLAIN, told=_COUNTED),
    Form(
        "AdEMAMix",
        _ffi.ADEMAMIX,
        {"exp_avg_fast": "state1.0", "exp_avg_slow": "state1.1", "exp_avg_sq": "state2", **OWN_STEP},
        {"alpha_warmup": "t_alpha", "beta3_warmup": "t_beta3"},
        ours=DECOUPLED,
        theirs=_PLAIN,
    ),
    Form(
        "SGD",
        _ffi.SGD,
        {"momentum_buffer": "state1"},
        {"momentum": "momentum"},
        ours={"semantics": "torch", "dampening": 0.0, "nesterov": False, "decoupled_weight_decay": False},
        theirs=_PLAIN,
        told=_COUNTED,
    ),
    Form(
        "RMSprop",
        _ffi.RMSPROP,
        {"square_avg": "state1", **OWN_STEP},
        {"alpha": "alpha"},
        ours={"semantics": "torch", "momentum": 0.0, "centered": False, "decoupled_weight_decay": False},
        theirs=_PLAIN,
    ),
    Form(
        "Adagrad",
        _ffi.ADAGRAD,
        {"sum": "state1", **OWN_STEP},
        ours={"semantics": "torch", "lr_decay": 0.0, "decoupled_weight_decay": False},
        theirs=_PLAIN,
    ),
    Form("LAMB", _ffi.LAMB, differs=f"bitsandbytes' LAMB {_BOUNDED}"),
    Form("LARS", _ffi.LARS, differs=f"bitsandbytes' LARS {_BOUNDED}"),
)
# Its classes of 8 bits, of 32, and those that page, are the same rules.
BITSANDBYTES = tuple(
    form._replace(name=f"{paged}{form.name}{bits}")
    for form in _BITSANDBYTES
    for paged in ("", "Paged")
    for bits in ("", "8bit", "32bit")
)
TORCHAO = tuple(
    Form(f"{name}{bits}", number, same(*ADAM, "max_exp_avg_sq", **OWN_STEP), ours={"decoupled_weight_decay": apart})
    for name, number, apart in (("Adam", _ffi.ADAM, False), ("AdamW", _ffi.ADAMW, True))
    for bits in ("8bit", "4bit", "Fp8")
)
