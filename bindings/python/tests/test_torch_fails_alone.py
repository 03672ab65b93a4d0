"""What fails in one process, of those that step together: it waits for nobody, those that wait for it raise an error
that names it and says why, and the next step is as ever.
"""

from __future__ import annotations

from typing import Any

from many_processes import ALONE


def test_what_is_raised_before_a_step(run_python: Any) -> None:
    """By a closure, by a hook, by Ctrl-C in it, since parameters are averages or at the trained point: nobody waits,
    and who raises it does not either."""
    run_python(
        ALONE
        + """
def closure():
    raise ValueError("no loss")

def interrupted(optimizer, args, kwargs):
    raise KeyboardInterrupt

def work(rank, count):
    def attempt(make, kind, text, before, call=lambda optimizer: optimizer.step(), after=None, first=1):
        net = sharded(model(), count)
        optimizer = make(net)
        for step in range(first):
            assert stepped(net, optimizer, step) is None, text
        gradients(net, first)
        held = before(optimizer) if rank else None
        kept = state(net, optimizer)
        gradients(net, first)
        heard(raised(lambda: call(optimizer) if rank else optimizer.step()), rank, kind, text)
        assert same(state(net, optimizer), kept), text
        if rank:
            held.remove() if held is not None else after and after(optimizer)
        for step in range(first, first + 2):
            assert stepped(net, optimizer, step) is None, text
        assert not same(state(net, optimizer), kept), text

    clip = lambda net: mt.AdamW(net.parameters(), max_norm=1.0, ema_decay=0.5)
    free = lambda net: mt.AdamWScheduleFree(net.parameters(), max_norm=1.0)
    swap = lambda optimizer: optimizer.swap_averages()
    hook = lambda optimizer: optimizer.register_step_pre_hook(interrupted)
    closed = lambda optimizer: optimizer.step(closure)
    for make in (clip, mt.Muon):
        for first in (0, 1):
            attempt(make, ValueError, "no loss", lambda optimizer: None, closed, first=first)
            attempt(make, KeyboardInterrupt, "KeyboardInterrupt" if not rank else "", hook, first=first)
    attempt(clip, martlet.OrderError, "the parameters are their averages", swap, after=swap)
    attempt(free, martlet.OrderError, "call train() before step()", lambda o: o.eval(), after=lambda o: o.train())

in_processes(2, work)
""",
        timeout=300,
    )


def test_what_is_raised_within_a_step(run_python: Any) -> None:
    """By the library, where a step may ask for no sums; and by Python, as want of memory: nothing has then changed."""
    run_python(
        ALONE
        + """
def work(rank, count):
    def overlap(optimizer, net):
        held = optimizer.state[net[2].bias]
        keep = held["exp_avg_sq"]._local_tensor
        held["exp_avg_sq"]._local_tensor = held["exp_avg"]._local_tensor
        def undo():
            held["exp_avg_sq"]._local_tensor = keep
        return undo
    def raising(kind):
        def within(optimizer, net):
            run = _call.StepCall.run
            def fails(self, *others):
                raise kind("none is left")
            _call.StepCall.run = fails
            optimizer._martlet_plan = None
            def undo():
                _call.StepCall.run = run
            return undo
        return within, kind, "none is left"
    ways = [(overlap, martlet.OverlapError, "overlap in memory"), raising(MemoryError), raising(KeyboardInterrupt)]
    # By each, the parameters that cannot have changed in any process: of others some have been stepped, or added to.
    adamw = lambda net, **options: mt.AdamW(net.parameters(), **options)
    lamb = lambda net: mt.LAMB(net.parameters(), accumulate=2)  # which sums more than once in a step
    makes = [(lambda net: adamw(net, max_norm=1.0, accumulate=2), ()), (lamb, ()), (mt.Muon, (0,)),
             (lambda net: mt.SOAP(net, lr=0.01), (0, 2)), (lambda net: adamw(net, clip_norm=1.0), (0, 1, 2, 3))]
    for make, places in makes:
        for break_it, kind, text in ways:
            for at in (2, 3):
                net, alone = sharded(model(), count), model()
                optimizer, whole = make(net), make(alone)
                for step in range(at):
                    assert stepped(net, optimizer, step) is None
                    assert stepped(alone, whole, step) is None
                undo = break_it(optimizer, net) if rank else None
                heard(stepped(net, optimizer, at), rank, kind, text)
                if rank:
                    undo()
                if at == 2 and optimizer.param_groups[0].get("accumulate"):
                    # Rank 0 has added to its mean, and rank 1 has not.
                    error = stepped(net, optimizer, at)
                    assert type(error) is martlet.ArgumentError, repr(error)
                    place = "param_groups[0]['params'][0]"
                    wrong = f"the number of gradients in the mean of {place} is 1 on rank 0 and 0 on rank 1"
                    assert wrong in str(error), error
                    continue
                for step in range(at, at + 2):
                    assert stepped(net, optimizer, step) is None
                    assert stepped(alone, whole, step) is None
                for place in places:
                    mine, other = list(net.parameters())[place], list(alone.parameters())[place]
                    assert torch.equal(full(mine), other), (text, at, place)
                    for slot, tensor in whole.state[other].items():
                        assert torch.equal(full(optimizer.state[mine][slot]), tensor), (text, at, place, slot)

in_processes(2, work)
""",
        timeout=300,
    )


def test_a_process_that_is_gone(run_python: Any) -> None:
    """Before a step, or in the middle of one: torch's error, soon."""
    run_python(
        ALONE
        + """
def gone(*others):
    os._exit(0)

def work(rank, count):
    net = sharded(model(), count)
    optimizer = make(net)
    assert stepped(net, optimizer, 0) is None
    gradients(net, 1)
    if within:
        optimizer._martlet_plan = None
        _call.StepCall.run = gone if rank else _call.StepCall.run
    elif rank:
        gone()
    error = raised(optimizer.step)
    assert isinstance(error, RuntimeError) and not isinstance(error, martlet.MartletError), repr(error)
    os._exit(0)

for make in (mt.Muon, lambda net: mt.AdamW(net.parameters(), max_norm=1.0)):
    for within in (False, True):
        in_processes(2, work)
""",
    )


def test_errors_whose_words_cannot_be_sent(run_python: Any) -> None:
    """They are heard all the same: paths in no encoding, and classes that fail to say what they are."""
    run_python(
        ALONE
        + """
class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")

def work(rank, count):
    net = sharded(model(), count)
    optimizer = mt.AdamW(net.parameters(), max_norm=1.0)
    assert stepped(net, optimizer, 0) is None
    errors = ((FileNotFoundError("a" + chr(0xDCFF)), chr(92) + "udcff"), (Silent(), "Silent, which has no words"))
    for error, text in errors:
        def closure():
            raise error
        gradients(net, 1)
        found = raised(lambda: optimizer.step(closure) if rank else optimizer.step())
        if rank:
            assert found is error, repr(found)
        else:
            assert type(found) is martlet.OrderError and text in str(found), found
        assert stepped(net, optimizer, 1) is None

in_processes(2, work)
""",
    )


def test_ctrl_c_while_a_process_waits(run_python: Any) -> None:
    """It ends the wait; a later step, of which the others know nothing, is refused, and no exchange is mixed up."""
    run_python(
        ALONE
        + """
import signal, threading, time

def work(rank, count):
    net = sharded(model(), count)
    optimizer = mt.AdamW(net.parameters(), max_norm=1.0)
    assert stepped(net, optimizer, 0) is None
    gradients(net, 1)
    if rank:
        time.sleep(2)
        error = raised(optimizer.step)
        assert isinstance(error, RuntimeError) and not isinstance(error, martlet.MartletError), repr(error)
        os._exit(0)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert type(raised(optimizer.step)) is KeyboardInterrupt
    for _ in range(12):
        error = raised(optimizer.step)
        assert type(error) is martlet.OrderError and "was interrupted in this process" in str(error), repr(error)
    time.sleep(3)
    os._exit(0)

in_processes(2, work)
""",
    )


def test_ctrl_c_before_the_first_meeting(run_python: Any) -> None:
    """The others hear of it, and the next step is as ever."""
    run_python(
        ALONE
        + """
import signal, threading, time

def work(rank, count):
    net = sharded(model(), count)
    optimizer = mt.AdamW(net.parameters(), max_norm=1.0)
    gradients(net, 0)
    if rank:
        time.sleep(1.5)
        error = raised(optimizer.step)
        assert type(error) is martlet.OrderError and "rank 0 cannot take this step: Keyb" in str(error), repr(error)
    else:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert type(raised(optimizer.step)) is KeyboardInterrupt
    for step in range(2):
        assert stepped(net, optimizer, step) is None

in_processes(2, work)
""",
    )
