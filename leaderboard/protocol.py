"""The protocols of the board: what a submission is measured on. A protocol that has a name never changes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from molecules.errors import MolmisError, UnknownNameError

#: The attacks that a submission to ``board-1`` must withstand; further ones may be tried beside them.
_ATTACKS = (
    *("lira-online", "lira-online-fixed", "lira-offline", "lira-offline-fixed"),
    *("rmia-1", "rmia-2", "rmia-4", "rmia", "discriminator", "loss", "trace-iqr"),
)


@dataclass(frozen=True, order=True)
class Place:
    """One cell of a protocol.

    Attributes
    ----------
    task, encoder : str
        Names.
    seed : int
        Of everything that is random in it.
    """

    task: str
    encoder: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task} · {self.encoder} · seed {self.seed}"


@dataclass(frozen=True)
class BoardProtocol:
    """What every submission is measured on, so that the figures of two can be set beside one another.

    Attributes
    ----------
    name : str
        Name with version: ``board-1``. A change to any other attribute needs another name.
    tasks, encoders : tuple of str
        Every task is measured with every encoder.
    seeds : tuple of int
        Every submission has these; it may have more.
    runs : int
        Heads of a cell.
    attacks : tuple of str
        Attacks that must have been tried.
    quantizers : tuple of str
        What is measured beside the submission in every cell, and ``float32``: ranks mean nothing without.
    on_board : bool
        Whether results enter the board; those of a trial do not.
    """

    name: str
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: int
    attacks: tuple[str, ...]
    quantizers: tuple[str, ...] = ("paper",)
    on_board: bool = True

    @property
    def min_seeds(self) -> int:
        """Fewer seeds than these are refused."""
        return len(self.seeds)

    def chosen_seeds(self, asked: Sequence[int] | None) -> tuple[int, ...]:
        """Return the seeds of a submission.

        Raises
        ------
        MolmisError
            If they are fewer than the protocol's, others in their place, or no seeds.
        """
        seeds = tuple(dict.fromkeys(self.seeds if asked is None else asked))
        own = ", ".join(map(str, self.seeds))
        if len(seeds) < self.min_seeds:
            raise MolmisError(
                f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'} given, and {self.name} takes "
                f"at least {self.min_seeds} ({own}); leave out --seeds, or give more"
            )
        if missing := [seed for seed in self.seeds if seed not in seeds]:
            raise MolmisError(
                f"the seeds of the protocol {self.name} are {own}, and {', '.join(map(str, missing))} is not "
                "among those given; further ones may only be added"
            )
        if wrong := [seed for seed in seeds if not 0 <= seed < 2**63]:
            raise MolmisError(f"the seed {wrong[0]} is not a number from 0 to 2^63 - 1")
        return seeds

    def places(self, seeds: Sequence[int] | None = None) -> list[Place]:
        """Return the cells of a submission, those of one task and encoder one after another."""
        chosen = self.chosen_seeds(seeds)
        return [Place(t, e, s) for t in self.tasks for e in self.encoders for s in chosen]

    def facts(self) -> dict[str, object]:
        """Return the protocol as it is told: JSON-able."""
        return {**asdict(self), "min_seeds": self.min_seeds}


#: By name. A test holds each to the hash it had when it was published.
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        BoardProtocol(
            name="board-1",
            tasks=("chembl2321810", "chembl2321810-active", "pains"),
            encoders=("gin", "ecfp"),
            seeds=(0, 1, 2),
            runs=16,
            attacks=_ATTACKS,
        ),
        BoardProtocol(
            name="trial",
            tasks=("chembl2321810-active",),
            encoders=("ecfp",),
            seeds=(0,),
            runs=4,
            attacks=("loss",),
            quantizers=("uniform-8", "ternary-50", "sign"),
            on_board=False,
        ),
    )
}
#: The one whose results enter the board now.
CURRENT = "board-1"


def holds_trials(results: Path) -> bool:
    """Return whether a results store is that of trials; see :func:`leaderboard.submitted.store_of`."""
    return results.name in {name for name, protocol in PROTOCOLS.items() if not protocol.on_board}


def get_protocol(name: str) -> BoardProtocol:
    """Return a protocol by name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
