"""One quantizer over one block of runs: the indicator, the gap, performance and size of every run."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.cell_data import CellData
from benchmark.metrics import METRICS
from benchmark.privacy.attacks.signals import margins
from benchmark.privacy.gap_moments import GapMoments, NotFiniteError
from benchmark.privacy.indicator import RunRate, run_rate
from benchmark.privacy.membership_effect import membership_effects
from benchmark.privacy.racing import race_order, raced_rate
from benchmark.quantized_block import QuantizedBlock
from benchmark.tuned_data import Part
from models.heads import Bank, record_losses
from models.quantizers import Quantizer

#: Records evaluated at once: the hidden values of so many heads then stay in a core's cache, which is twice
#: as fast as to write them to memory and read them again.
RECORD_BLOCK, HEADS = 512, 20
#: The models that are published, among (runs, snapshots).
PUBLISHED = (slice(None), -1)


def evaluate_block(
    bank: Bank, quantizer: Quantizer, data: CellData, *, race: int | None = None
) -> pd.DataFrame:
    """Measure one quantizer over one block of runs; see :func:`evaluate_models`."""
    return evaluate_models(QuantizedBlock(bank, quantizer, data), race)


def evaluate_models(models: QuantizedBlock, race: int | None = None) -> pd.DataFrame:
    """Measure the models of one block of runs.

    Parameters
    ----------
    models : QuantizedBlock
        The trained runs under a quantizer.
    race : int or None
        Seed of the order of records in the races for the plain indicator; see
        :mod:`benchmark.privacy.racing`. If None, all candidates are evaluated on all records.

    Returns
    -------
    DataFrame
        One row a run: ``run``; ``rate, rate_corrected, candidates, reference, records, reason`` of the
        plain indicator; ``effect, effect_reason`` of the membership effect; ``loss_in, loss_out``, the mean
        losses of the published head on members and non-members; the metrics of the kind on the test
        records; ``constant``, whether the published head predicts the same for every test record; ``bits,
        entropy_bits, zeros, coverage, model_coverage``; ``packed_bytes``, the size of the published file.
    """
    runs = models.bank.runs
    rates = rates_of_runs(models, race)
    table: dict[str, object] = {
        "run": list(runs),
        "rate": [r.rate for r in rates],
        "rate_corrected": [r.corrected for r in rates],
        "candidates": [r.candidates for r in rates],
        "reference": [r.reference for r in rates],
        "records": [r.records for r in rates],
        "reason": [r.reason for r in rates],
    }
    table |= _membership_losses(models, models.data.members[runs.start : runs.stop])
    table |= performance(models)
    table |= models.sizes()
    return pd.DataFrame(table)


def rates_of_runs(models: QuantizedBlock, race: int | None = None) -> list[RunRate]:
    """Return the plain indicator of every run of a block; see :func:`evaluate_block`."""
    return [_rate_of_run(models, place, race) for place in range(len(models.bank.runs))]


def _rate_of_run(models: QuantizedBlock, place: int, race: int | None) -> RunRate:
    """Return the indicator of one run: its distinct candidates on the records it was not trained on."""
    data, bank, epochs = models.data, models.bank, models.candidates(place)
    part, labels, held_out = data.held_out(bank.runs[place])
    centre, spread = (unit[place].to(labels.device) for unit in (bank.centre, bank.spread))
    if len(epochs) < 2:
        return RunRate.unknown("one candidate only", len(epochs), len(held_out))
    every, wanted = np.array(epochs), (labels - centre) / spread

    def losses(candidates: NDArray[np.intp], records: Tensor) -> Iterator[NDArray[np.float64]]:
        chosen, size = models.chosen((place, every[candidates])), RECORD_BLOCK
        if race is not None:  # whose last candidates are few
            size = max(size, size * HEADS // len(candidates))
        for start in range(0, len(records), size):
            block = records[start : start + size]
            own = wanted.index_select(0, block)
            yield record_losses(data.kind, chosen(part, block), own).cpu().numpy()

    if race is None:
        rate = _full_rate(losses(np.arange(len(epochs)), held_out), len(epochs), len(held_out))
    else:
        places = torch.from_numpy(race_order(race, bank.runs[place], len(held_out)).copy())
        order = held_out.index_select(0, places.to(held_out.device))
        run, count = bank.runs[place], len(epochs)
        rate = raced_rate(lambda some, block: losses(some, order[block]), count, len(order), run)
    # the reference is told as the epoch it was, not as its place among the candidates
    return RunRate(
        rate.rate, rate.corrected, rate.candidates, _epoch(epochs, rate), rate.records, rate.reason
    )


def _full_rate(losses: Iterable[NDArray[np.float64]], candidates: int, records: int) -> RunRate:
    """Return the indicator of one run from the losses of all candidates on all records."""
    moments = GapMoments(candidates)
    try:
        for found in losses:
            moments.add(found)
    except NotFiniteError:
        return RunRate.unknown("losses not finite", candidates, records)
    return run_rate(moments)


def _epoch(epochs: list[int], rate: RunRate) -> int:
    return epochs[rate.reference] if rate.reference >= 0 else -1


def _membership_losses(models: QuantizedBlock, members: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """Return the mean loss of the published heads on members and on non-members, and what tells them."""
    data, bank = models.data, models.bank
    centre, spread = (t.to(data.pool.device)[:, None] for t in (bank.centre, bank.spread))
    outputs = models.outputs(PUBLISHED, Part.POOL)
    labels = (data.pool_labels - centre) / spread
    losses = record_losses(data.kind, outputs, labels).cpu().numpy()
    seen = margins(data.kind, outputs.cpu().numpy(), labels.cpu().numpy())
    effects, reason = membership_effects(data.kind, seen, members)
    return {
        "effect": effects,
        "effect_reason": np.where(np.isnan(effects), reason, ""),
        "loss_in": np.where(members, losses, 0.0).sum(1) / members.sum(1),
        "loss_out": np.where(members, 0.0, losses).sum(1) / (~members).sum(1),
    }


def performance(models: QuantizedBlock) -> dict[str, NDArray[np.generic]]:
    """Return every metric of the kind on the test records, and whether predictions are constant."""
    data, bank = models.data, models.bank
    centre, spread = (t.to(data.test.device)[:, None] for t in (bank.centre, bank.spread))
    predictions = (models.outputs(PUBLISHED, Part.TEST) * spread + centre).cpu().double().numpy()
    labels = data.test_labels.cpu().numpy()
    scores: dict[str, NDArray[np.generic]] = {
        name: np.asarray(metric(predictions, labels)) for name, metric in METRICS[data.kind].items()
    }
    scores["constant"] = (np.ptp(predictions, axis=1) == 0).all(1)
    return scores
