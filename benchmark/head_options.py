"""Options of the command lines that say how heads are built and trained."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from molecules.errors import MolmisError

if TYPE_CHECKING:
    from models.heads import HeadConfig
    from tasks.task import Task

_PANEL = "Heads"

Hidden = Annotated[
    str | None,
    typer.Option(
        help="Widths of the hidden layers, such as 128,64; 0 for none. [dim]\\[default: 64,64][/dim]",
        rich_help_panel=_PANEL,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="Passes over the members.", min=1, show_default="20", rich_help_panel=_PANEL),
]
BatchSize = Annotated[
    int | None, typer.Option(help="Members a step.", min=1, show_default="32", rich_help_panel=_PANEL)
]
LearningRate = Annotated[
    float | None, typer.Option(help="Of AdamW.", show_default="0.001", rich_help_panel=_PANEL)
]
WeightDecay = Annotated[
    float | None, typer.Option(help="Of AdamW.", min=0, show_default="0.01", rich_help_panel=_PANEL)
]
Dropout = Annotated[
    float | None,
    typer.Option(
        help="Share of hidden values left out.", min=0, max=0.95, show_default="0", rich_help_panel=_PANEL
    ),
]
EarlySnapshots = Annotated[
    int | None,
    typer.Option(
        help="Snapshots within the first epoch, beside one after each.",
        min=0,
        show_default="0",
        rich_help_panel=_PANEL,
    ),
]
#: Most layers and widest layer of a head.
_DEEPEST, _WIDEST = 8, 4096
#: Passes over the members where encoders are trained and nobody says: they fit in fewer, and a snapshot is a
#: whole model.
TRAINED_EPOCHS = 10

TrainEncoder = Annotated[
    bool,
    typer.Option(
        "--train-encoder",
        help="Train a copy of the (graph) encoder with every head, so that the figures are of the whole "
        "model; takes minutes for a thousand molecules.",
    ),
]


@dataclass(frozen=True)
class HeadOptions:
    """What was given of a head; None: as usual."""

    hidden: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    dropout: float | None = None
    early_snapshots: int | None = None

    def config(self, train_encoder: bool = False) -> "HeadConfig":
        """Return how heads are built and trained, alone or with an encoder each.

        Raises
        ------
        MolmisError
            If the widths cannot be read, or a rate is not above 0.
        """
        from models.heads import HeadConfig

        for name, lowest in (("learning_rate", "above 0"), ("weight_decay", "of at least 0")):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and (value > 0 or name == "weight_decay")):
                option = f"--{name.replace('_', '-')}"
                raise MolmisError(f"{option} {value:g} is not allowed; give a number {lowest}")
        given: dict[str, Any] = {"epochs": TRAINED_EPOCHS} if train_encoder else {}
        given |= {name: value for name, value in vars(self).items() if value is not None}
        if self.hidden is not None:
            given["hidden"] = _widths(self.hidden)
        return HeadConfig(**given)


def refuse_widths(task: "Task", hidden: str | None) -> None:
    """Raise ``MolmisError`` where widths are given for a task that decides them itself."""
    if hidden is not None and task.hidden:
        raise MolmisError(f"--hidden: the widths of {task.name} are parameters of the task; leave it out")


def _widths(text: str) -> tuple[int, ...]:
    """Return the widths of hidden layers."""
    if text.strip() == "0":
        return ()
    pieces = [piece.strip() for piece in text.split(",")]
    if len(pieces) > _DEEPEST or not all(p.isdecimal() and 1 <= int(p) <= _WIDEST for p in pieces):
        raise MolmisError(
            f"--hidden {text!r} cannot be read; give up to {_DEEPEST} widths from 1 to {_WIDEST}, such as "
            "128,64, or 0 for no hidden layer"
        )
    return tuple(map(int, pieces))
