"""Libraries that train with torch's optimizers, each with a tiny model: the same losses with Martlet's, also resumed.

They are the extra "clients"; a test whose library is not installed says so.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import martlet.torch

torch.manual_seed(0)
INPUTS = torch.randn(64, 4)
LABELS = (INPUTS.sum(1) > 0).long()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What libraries say of loggers, devices and versions."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def library(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: it is of the extra 'clients'")


def small_model() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))


def batches(size: int = 16) -> DataLoader[Any]:
    return DataLoader(TensorDataset(INPUTS, LABELS), batch_size=size)


def both() -> list[AbstractContextManager[None]]:
    """torch's optimizers, then Martlet's in their place."""
    return [nullcontext(), martlet.torch.installed()]


def assert_alike(theirs: list[float], ours: list[float]) -> None:
    assert len(theirs) > 3
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert theirs[-1] < theirs[0]


def lightning_losses(
    tmp_path: Path, epochs: int, resume: Path | None = None, precision: Any = None
) -> tuple[list[float], Any]:
    lightning = library("lightning")
    environments = library("lightning.pytorch.plugins.environments")

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model, self.losses = small_model(), []

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            loss = cross_entropy(self.model(batch[0]), batch[1])
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> dict[str, Any]:
            optimizer = torch.optim.AdamW(self.parameters(), lr=0.05)
            return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)}

    module = Module()
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        gradient_clip_val=1.0,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
        precision=precision,
        plugins=[environments.LightningEnvironment()],
        **silent,
    )
    trainer.fit(module, batches(), ckpt_path=resume)
    trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
    return module.losses, trainer.optimizers[0]


def test_lightning(tmp_path: Path) -> None:
    theirs, _ = lightning_losses(tmp_path, 4)
    with martlet.torch.installed():
        ours, optimizer = lightning_losses(tmp_path, 4)
        assert isinstance(optimizer, martlet.torch.AdamW)
        assert optimizer.native_share == 1
        assert_alike(theirs, ours)
        first, _ = lightning_losses(tmp_path, 2)
        rest, _ = lightning_losses(tmp_path, 4, tmp_path / "2.ckpt")
    assert first + rest == ours
    # torch's goes on from there too.
    rest, _ = lightning_losses(tmp_path, 4, tmp_path / "2.ckpt")
    assert_alike(theirs, first + rest)


def test_lightning_in_mixed_precision(tmp_path: Path) -> None:
    """Which clips what its plugin has unscaled."""
    found = []
    for context in both():
        with context:
            found.append(lightning_losses(tmp_path, 3, precision="bf16-mixed")[0])
    assert found[1] == pytest.approx(found[0], rel=1e-2)


class Rated(torch.optim.SGD):
    """Of a script: its short name is one too."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Adam", "Adam"), ("AdamW", "AdamW"), ("Rated", "SGD"), ("martlet.torch.Lion", "Lion")],
)
def test_lightnings_command_line(tmp_path: Path, name: str, kind: str) -> None:
    """Which finds classes by short names among all that are derived from torch's: twice, as sweeps call it."""
    library("jsonargparse")
    cli = library("lightning.pytorch.cli")
    lightning = library("lightning.pytorch")

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model, self.losses = small_model(), []

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            loss = cross_entropy(self.model(batch[0]), batch[1])
            self.losses.append(loss.item())
            return loss

    silent = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    usual = {**silent, "accelerator": "cpu", "max_epochs": 2, "enable_checkpointing": False}
    found = []
    for context in (*both(), martlet.torch.installed()):
        with context:
            words = ["--optimizer", name, "--optimizer.lr", "0.05", "--trainer.default_root_dir", str(tmp_path)]
            made = cli.LightningCLI(Module, args=words, run=False, save_config_callback=None, trainer_defaults=usual)
            made.trainer.fit(made.model, batches())
            assert made.config.optimizer.class_path.split(".")[-1] == name.split(".")[-1]
            found.append((made.model.losses, made.trainer.optimizers[0]))
    is_own = name.startswith("martlet.")
    kinds = [isinstance(optimizer, getattr(martlet.torch, kind)) for _, optimizer in found]
    assert kinds == [is_own, True, True]
    assert_alike(found[0][0], found[1][0])
    assert found[1][0] == found[2][0]


def trainer_losses(tmp_path: Path, steps: int, *, resume: bool = False) -> tuple[list[float], Any]:
    transformers = library("transformers")
    library("accelerate")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = small_model()

        def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
            outputs = self.model(inputs)
            return {"loss": cross_entropy(outputs, labels), "logits": outputs}

    data = [{"inputs": one, "labels": label} for one, label in zip(INPUTS, LABELS, strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=steps,
        per_device_train_batch_size=16,
        learning_rate=0.05,
        lr_scheduler_type="constant",
        logging_steps=1,
        save_steps=6,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        seed=3,
    )
    trainer = transformers.Trainer(Model(), arguments, train_dataset=data)
    trainer.train(resume_from_checkpoint=resume)
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry], optimizer


def test_transformers_trainer(tmp_path: Path, capsys: Any) -> None:
    theirs, _ = trainer_losses(tmp_path / "theirs", 12)
    with martlet.torch.installed():
        ours, optimizer = trainer_losses(tmp_path / "ours", 12)
        assert isinstance(optimizer, martlet.torch.AdamW)
        trainer_losses(tmp_path / "cut", 6)
        resumed, _ = trainer_losses(tmp_path / "cut", 12, resume=True)
    assert_alike(theirs, ours)
    assert resumed == ours


def accelerate_losses() -> list[float]:
    accelerate = library("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = small_model()
    model, optimizer, data = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=0.1), batches(8))
    losses = []
    for _ in range(2):
        for inputs, labels in data:
            with accelerator.accumulate(model):
                loss = cross_entropy(model(inputs), labels)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
    return losses


def skorch_losses() -> list[float]:
    skorch = library("skorch")
    net = skorch.NeuralNetClassifier(
        small_model(),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=0.01,
        lr=0.05,
        max_epochs=5,
        verbose=0,
        iterator_train__shuffle=False,
        train_split=None,
    )
    net.fit(INPUTS.numpy(), LABELS.numpy())
    losses: list[float] = net.history[:, "train_loss"]
    return losses


def ignite_losses() -> list[float]:
    ignite = library("ignite.engine")
    handlers = library("ignite.handlers")
    model = small_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer, losses = ignite.create_supervised_trainer(model, optimizer, cross_entropy), []
    trainer.add_event_handler(ignite.Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output))
    schedule = handlers.CosineAnnealingScheduler(optimizer, "lr", 0.1, 0.01, 8)
    trainer.add_event_handler(ignite.Events.ITERATION_STARTED, schedule)
    trainer.run(list(batches()), max_epochs=3)
    return losses


@pytest.mark.parametrize("losses", [accelerate_losses, skorch_losses, ignite_losses], ids=lambda one: one.__name__)
def test_libraries_that_make_optimizers_of_torchs_names(losses: Any) -> None:
    found = []
    for context in both():
        with context:
            found.append(losses())
    assert_alike(*found)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "nadam", "radam", "rmsprop", "adamax", "adadelta", "adagrad"])
def test_timms_names(name: str) -> None:
    optim = library("timm.optim")
    found = []
    for context in both():
        model = small_model()
        with context:
            optimizer = optim.create_optimizer_v2(model, opt=name, lr=0.01, weight_decay=0.05)
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            loss = cross_entropy(model(INPUTS), LABELS)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        found.append((losses, isinstance(optimizer, martlet.torch.Optimizer)))
    assert [is_ours for _, is_ours in found] == [False, True]
    assert_alike(*(losses for losses, _ in found))


def test_timms_own_optimizers_stay_its_own() -> None:
    optim = library("timm.optim")
    with martlet.torch.installed():
        assert not isinstance(optim.create_optimizer_v2(small_model(), opt="lamb", lr=0.01), martlet.torch.Optimizer)
