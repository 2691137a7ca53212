"""Signals of models that were never trained: members leak as much as is asked."""

import numpy as np

from benchmark.privacy.attacks import Signals
from benchmark.privacy.attacks.signals import TRACE_POINTS
from molecules.splits import member_halves
from tasks.task import Kind


def toy(
    kind: Kind,
    leak: float,
    runs: int = 16,
    records: int = 120,
    targets: int = 2,
    seed: int = 0,
    missing: float = 0.2,
) -> Signals:
    """Return signals of which a member's are larger (regression: nearer to 0) by ``leak`` deviations."""
    rng = np.random.default_rng(seed)
    members = member_halves(records, runs, seed)
    shape = (runs, records, targets)
    difficulty = rng.normal(size=(1, records, targets))
    noise = 0.5 * rng.normal(size=shape)
    if kind is Kind.CLASSIFICATION:
        margin = difficulty + noise + 0.5 * leak * members[:, :, None]
    else:
        margin = (difficulty + noise) * np.where(members[:, :, None], np.exp(-leak), 1.0)
    hidden = rng.random((records, targets)) < missing
    hidden[:, 0] = False
    margin = np.where(hidden[None], np.nan, margin).astype(np.float32)
    known = np.nan_to_num(margin)
    losses = np.logaddexp(0, -known) if kind is Kind.CLASSIFICATION else known**2
    loss = np.where(hidden, 0.0, losses).sum(2) / (~hidden).sum(1)
    loss = loss.astype(np.float32)
    trace = np.stack([loss * (2 - point / (TRACE_POINTS - 1)) for point in range(TRACE_POINTS)], axis=1)
    return Signals(kind, margin, loss, trace, members)
