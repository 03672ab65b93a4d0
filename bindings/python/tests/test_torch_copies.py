"""martlet.torch: copies of an optimizer, threads inside one, and the number of threads that it uses."""

from __future__ import annotations

import copy
import io
import pickle
import threading

import pytest
import torch
from torch import nn

import martlet
import martlet.torch
import models
from martlet import _threads


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save"])
def test_copies_go_on_alike(way: str) -> None:
    model = models.network()
    optimizer = martlet.torch.AdamW(model.parameters(), lr=0.01, amsgrad=True, semantics="keras")
    models.train(model, optimizer, 5)
    if way == "deepcopy":
        twin_model, twin = copy.deepcopy((model, optimizer))
    elif way == "pickle":
        twin_model, twin = pickle.loads(pickle.dumps((model, optimizer)))
    else:
        file = io.BytesIO()
        torch.save((model, optimizer), file)
        file.seek(0)
        twin_model, twin = torch.load(file, weights_only=False)
    ours = models.train(model, optimizer, 5, first=5)
    assert models.train(twin_model, twin, 5, first=5) == ours
    for p, q in zip(model.parameters(), twin_model.parameters(), strict=True):
        assert torch.equal(p, q)
        assert p.data_ptr() != q.data_ptr()
        assert optimizer.state[p]["exp_avg"].data_ptr() != twin.state[q]["exp_avg"].data_ptr()


def test_follows_torchs_thread_count() -> None:
    before = torch.get_num_threads()
    parameter = nn.Parameter(torch.ones(4))
    optimizer = martlet.torch.Adam([parameter])
    parameter.grad = torch.ones(4)
    _threads.explicit, _threads.followed = False, None
    try:
        torch.set_num_threads(3)
        optimizer.step()
        assert martlet.get_num_threads() == 3
        martlet.set_num_threads(2)
        optimizer.step()
        assert martlet.get_num_threads() == 2
        torch.set_num_threads(1)
        optimizer.step()
        assert martlet.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_two_threads_in_one_optimizer() -> None:
    parameter = nn.Parameter(torch.ones(3_000_000))
    parameter.grad = torch.ones(3_000_000)
    optimizer = martlet.torch.Adam([parameter])
    busy, done = [], []
    barrier = threading.Barrier(2)

    def work() -> None:
        barrier.wait()
        for _ in range(25):
            try:
                optimizer.step()
                done.append(1)
            except martlet.BusyError as error:
                busy.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy, "no step met another one"
    assert len(done) + len(busy) == 50
    assert optimizer.state[parameter]["step"].item() == len(done)


def test_two_threads_with_their_own_optimizers() -> None:
    results = {}
    networks = {name: models.network() for name in ("alone", "a", "b")}

    def work(name: str) -> None:
        parameters = list(networks[name].parameters())
        optimizer = martlet.torch.Adam(parameters)
        for step in range(50):
            models.set_grads(parameters, step)
            optimizer.step()
        results[name] = torch.cat([p.detach().flatten() for p in parameters])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    work("alone")
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results["a"], results["alone"])
    assert torch.equal(results["b"], results["alone"])
