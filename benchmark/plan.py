"""What is to be measured: cells, and the keys that name what is already there.

A cell is task x encoder x protocol x seed. Its bank of runs does not depend on the quantizers, so a further
quantizer reuses the trained runs, and a larger preset begins with the runs of a smaller one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmark.privacy.attacks import ATTACKS
from benchmark.scope import Scope
from models.encoders.base import Encoder
from models.encoders.tuning import tuning_recipe
from models.heads import HeadConfig
from models.quantized_network import quantize_network
from models.quantizers import Quantizer
from models.quantizers.base import source_key
from molecules.cache import cache_dir, content_key, environment
from tasks.catalogue import Records
from tasks.task import OFFICIAL, Task

#: Raised when a change to training moves the trained weights.
BANK_VERSION = 4
#: Raised when a change to the evaluation moves its figures.
EVALUATION_VERSION = 6
#: Raised when a change to the attacks or their figures moves them.
ATTACKS_VERSION = 3
#: Raised when a change to the exposure of records moves it.
RECORDS_VERSION = 1
#: Raised when a change to the evaluation moves figures of encoders that were trained with the heads.
TRAINED_VERSION = 2
#: Raised when a change to the race for the plain indicator moves its figures.
RACE_VERSION = 3
#: Raised when a change to heads trained on the whole pool moves their figures.
FULL_POOL_VERSION = 1
#: Raised when a change to the attacks on joint releases moves their figures.
JOINT_RELEASE_VERSION = 1


@dataclass(frozen=True)
class Protocol:
    """How a cell is measured, apart from task, encoder and quantizers.

    Attributes
    ----------
    runs : int
        Heads trained, each on its own random half of the pool.
    split : str
        How the performance test set is held apart; ``fresh`` where its records are drawn afresh,
        ``official`` where the source does it.
    test_share : float
        Share of the records in it; 0 where nobody chose it: drawn afresh, or official.
    seed : int
        Of the split, the halves, the initial weights, the batches and the bootstrap.
    head : HeadConfig
        Architecture and training of the heads.
    scope : Scope
        What is quantized: the head, or the whole model, the encoder with it.
    train_encoder : bool
        Whether every run trains an encoder of its own with the head, from the pretrained weights; else one
        frozen encoder serves all.
    race : bool
        Whether the plain indicator is found by racing: see :mod:`benchmark.privacy.racing`.
    """

    runs: int
    split: str = "random"
    test_share: float = 0.2
    seed: int = 0
    head: HeadConfig = field(default_factory=HeadConfig)
    scope: Scope = Scope.HEAD
    train_encoder: bool = False
    race: bool = False

    @property
    def shared_encoder_quantized(self) -> bool:
        """Whether an encoder that all runs share is quantized with the heads."""
        return self.scope.whole and not self.train_encoder


@dataclass(frozen=True)
class Cell:
    """One cell: everything its result depends on.

    Attributes
    ----------
    task : Task
        What is predicted.
    records : Records
        The cleaned records.
    encoder : Encoder
        Frozen; not necessarily prepared.
    quantizers : mapping of str to Quantizer
        By name, in the order of the table; ``float32`` is among them.
    protocol : Protocol
        How it is measured.
    device : str
        Where: ``"cpu"`` or ``"cuda"``; figures of the two differ by rounding.
    """

    task: Task
    records: Records
    encoder: Encoder
    quantizers: Mapping[str, Quantizer]
    protocol: Protocol
    device: str = "cpu"

    @property
    def encoder_name(self) -> str:
        """Name of the encoder, and whether it was trained with the heads: what tables and files call it."""
        return f"{self.encoder.name}-trained" if self.protocol.train_encoder else self.encoder.name

    @cached_property
    def bank_key(self) -> str:
        """Hash of everything the trained runs depend on, except how many they are."""
        p = self.protocol
        return content_key(
            {"version": BANK_VERSION, "task": self.task.name, "task version": self.task.version},
            {"kind": self.records.kind, "targets": self.records.targets},
            list(self.records.smiles),
            self.records.labels.tobytes(),
            self.encoder.recipe(),
            environment(self.device),
            {"split": p.split, "test share": p.test_share, "seed": p.seed, "head": p.head.recipe()},
            *self._vectors(),
            *self._official(),
            *self._tuning(),
        )

    @property
    def folder(self) -> Path:
        """Folder of what is finished of the cell, and of what it needs on the way; perhaps not there yet."""
        return cache_dir("bank") / f"{self.task.slug}-{self.encoder_name}-{self.bank_key}"

    def _tuning(self) -> tuple[dict[str, object], ...]:
        """Return how encoders are trained with the heads, where they are; else nothing."""
        return (tuning_recipe(),) if self.protocol.train_encoder else ()

    def _official(self) -> tuple[bytes, ...]:
        """Return which records are the test set of the source, where that is the split; else nothing."""
        test = self.records.test
        return () if self.protocol.split != OFFICIAL or test is None else (test.tobytes(),)

    def _vectors(self) -> tuple[bytes, ...]:
        """Return the records that are vectors, and the fresh ones beside them; nothing of molecules."""
        vectors = self.records.vectors
        if vectors is None:
            return ()
        drawn = [part for held in (vectors.fresh, vectors.test) for part in (held.inputs, held.labels)]
        return tuple(part.tobytes() for part in (vectors.inputs, *drawn))

    def quantizer_key(self, name: str) -> str:
        """Hash of the evaluation of one quantizer."""
        depends: dict[str, object] = {
            "version": EVALUATION_VERSION,
            "quantizer": self.quantizers[name].identity(),
            "scope": self.protocol.scope,
        }
        if self.protocol.scope.whole:
            depends["policy"] = source_key(quantize_network)
        if self.protocol.train_encoder:
            depends["trained encoder"] = TRAINED_VERSION
        if self.protocol.race:
            depends["race"] = RACE_VERSION
        return content_key(depends)

    @property
    def key(self) -> str:
        """Hash of the whole cell; names its result file."""
        keys = {name: self.quantizer_key(name) for name in self.quantizers}
        return content_key(self.bank_key, self.protocol.runs, list(keys.items()))


def attacks_key() -> str:
    """Return a hash of the attacks that are tried and of what their figures depend on."""
    return content_key(
        {"version": ATTACKS_VERSION, "attacks": [repr(attack) for _, attack in ATTACKS.items()]}
    )


def derived_keys() -> dict[str, str]:
    """Return a hash of how each kind of figures is made that is derived from the runs of a cell.

    ``attacks``, ``records`` and ``full_pool`` are of one quantizer each, ``joint_release`` of all together.
    """
    return {
        "attacks": attacks_key(),
        "records": content_key({"version": RECORDS_VERSION}, attacks_key()),
        "full_pool": content_key({"version": FULL_POOL_VERSION}),
        "joint_release": content_key({"version": JOINT_RELEASE_VERSION}, attacks_key()),
    }
