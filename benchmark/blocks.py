"""What a cell has finished so far, on disk: blocks of trained runs, and their evaluation by each quantizer.

A block is found again by what it depends on, and an evaluation also by the content of the block it was made
on. So a stopped cell goes on where it was, and nothing enters a table that belongs to something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from benchmark.frame_file import read_frame, write_frame
from benchmark.plan import Cell, derived_keys
from benchmark.privacy.attacks.signals import TRACE_POINTS, BlockSignals
from models.bank_file import load_bank, save_bank
from models.block_runs import BLOCK_RUNS
from models.heads import Bank
from models.tensor_file import read_tensors, save_tensors, stored_content
from molecules.cache import content_key
from molecules.errors import DataError
from molecules.progress import Progress

#: How names of files end that hold what attacks read.
_SIGNALS = ".signals.safetensors"


@dataclass(frozen=True)
class Evaluation:
    """The rows of one quantizer over one block, and the content of the block they were made on."""

    rows: pd.DataFrame
    bank: str


class BlockStore:
    """The finished blocks of a cell.

    Parameters
    ----------
    cell : Cell
        Its bank and its quantizers name the files.
    progress : Progress
        Is told of files that are damaged or belong to something else.

    Attributes
    ----------
    blocks : list of range
        The runs of each block; the last one may be shorter.
    folder : Path
        Where they lie.
    """

    def __init__(self, cell: Cell, progress: Progress) -> None:
        runs = cell.protocol.runs
        self.blocks = [range(i, min(i + BLOCK_RUNS, runs)) for i in range(0, runs, BLOCK_RUNS)]
        self._cell, self._progress = cell, progress
        self.folder = cell.folder

    def bank(self, runs: range) -> Bank | None:
        """Return a block of trained runs; None where it must be trained."""
        return load_bank(self._bank_path(runs), self._bank_key(runs), self._progress)

    def save_bank(self, bank: Bank) -> None:
        """Keep a block of trained runs."""
        save_bank(self._bank_path(bank.runs), bank, self._bank_key(bank.runs))

    def bank_content(self, runs: range) -> str | None:
        """Return the hash of a block on disk, by its head alone; None where there is none of these runs."""
        return stored_content(self._bank_path(runs), self._bank_key(runs))

    def trained_content(self, runs: range) -> str:
        """Return the hash of the block that the evaluations were made on; empty where there is none."""
        content = self.bank_content(runs)
        if content is not None:
            return content
        return next((e.bank for e in self.evaluations(runs).values()), "")

    def evaluation(self, runs: range, name: str) -> Evaluation | None:
        """Return the rows of a quantizer over a block; None where they must be made."""
        path = self._evaluation_path(runs, name)
        if not path.exists():
            return None
        try:
            rows, facts = read_frame(path)
        except DataError as error:
            self._progress.note(f"evaluation: {error}; doing it again")
            return None
        if facts.get("key") == self._evaluation_key(runs, name):
            return Evaluation(rows, str(facts["bank"]))
        self._progress.note(f"evaluation: {path} holds something else than its name says; doing it again")
        return None

    def save_evaluation(self, runs: range, name: str, evaluation: Evaluation) -> None:
        """Keep the rows of a quantizer over a block."""
        facts: dict[str, object] = {"key": self._evaluation_key(runs, name), "bank": evaluation.bank}
        write_frame(self._evaluation_path(runs, name), evaluation.rows, facts)

    def evaluations(self, runs: range) -> dict[str, Evaluation]:
        """Return every evaluation of a block that can be kept: all of one and the same trained block."""
        cell, progress = self._cell, self._progress
        found = {name: e for name in cell.quantizers if (e := self.evaluation(runs, name)) is not None}
        content = self.bank_content(runs)
        known = {content} if content is not None else {e.bank for e in found.values()}
        kept = {name: e for name, e in found.items() if {e.bank} == known}
        if len(kept) < len(found):
            progress.note(
                f"evaluation: {len(found) - len(kept)} of {_block_name(runs)} were made on other trained "
                "runs than are there now; doing them again"
            )
        return kept

    def derived(self, kind: str, name: str, banks: Sequence[str]) -> pd.DataFrame | None:
        """Return figures derived from all runs; None where they must be made.

        Parameters
        ----------
        kind : str
            Which; see :func:`benchmark.plan.derived_keys`.
        name : str
            The quantizer; empty for figures of all quantizers together.
        banks : sequence of str
            Content of every block of trained runs: what the figures must have been made on.
        """
        path = self._derived_path(kind, name)
        if not path.exists():
            return None
        try:
            rows, facts = read_frame(path)
        except DataError as error:
            self._progress.note(f"{kind}: {error}; trying them again")
            return None
        ours = facts.get("key") == self._derived_key(kind, name) and facts["banks"] == [*banks]
        return rows if ours else None

    def save_derived(self, kind: str, name: str, rows: pd.DataFrame, banks: Sequence[str]) -> None:
        """Keep figures derived from all runs."""
        facts: dict[str, object] = {"key": self._derived_key(kind, name), "banks": [*banks]}
        write_frame(self._derived_path(kind, name), rows, facts)

    def signals(self, runs: range, name: str, bank: str) -> BlockSignals | None:
        """Return what attacks read of a block under a quantizer, as far as it was kept from the evaluation.

        Parameters
        ----------
        bank : str
            Content of the block of trained runs that it must be of.
        """
        key = self._signals_key(runs, name, bank)
        kept = read_tensors(self._signals_path(runs, key), key, self._progress)
        return None if kept is None else (kept["margin"].numpy(), kept["trace"].numpy())

    def save_signals(self, runs: range, name: str, signals: BlockSignals, bank: str) -> None:
        """Keep what attacks read of a block under a quantizer until they do."""
        margin, trace = map(torch.from_numpy, signals)
        key = self._signals_key(runs, name, bank)
        save_tensors(self._signals_path(runs, key), {"margin": margin, "trace": trace}, key)

    def forget_signals(self) -> None:
        """Take away what attacks have read, and what was left where they were never tried."""
        for path in self.folder.glob(f"*/*{_SIGNALS}"):
            path.unlink(missing_ok=True)

    def _signals_key(self, runs: range, name: str, bank: str) -> str:
        return content_key(self._evaluation_key(runs, name), bank, derived_keys()["attacks"], TRACE_POINTS)

    def _signals_path(self, runs: range, key: str) -> Path:
        return self.folder / _block_name(runs) / f"{key}{_SIGNALS}"

    def _derived_key(self, kind: str, name: str) -> str:
        cell = self._cell
        quantizers = cell.quantizer_key(name) if name else [*map(cell.quantizer_key, cell.quantizers)]
        return content_key(cell.bank_key, cell.protocol.runs, quantizers, derived_keys()[kind])

    def _derived_path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{self._derived_key(kind, name)}.parquet"

    def _bank_key(self, runs: range) -> str:
        return content_key(self._cell.bank_key, [runs.start, runs.stop])

    def _bank_path(self, runs: range) -> Path:
        return self.folder / f"{_block_name(runs)}.safetensors"

    def _evaluation_key(self, runs: range, name: str) -> str:
        return content_key(self._bank_key(runs), self._cell.quantizer_key(name))

    def _evaluation_path(self, runs: range, name: str) -> Path:
        return self.folder / _block_name(runs) / f"{self._cell.quantizer_key(name)}.parquet"


def _block_name(runs: range) -> str:
    return f"runs-{runs.start:04d}-{runs.stop - 1:04d}"
