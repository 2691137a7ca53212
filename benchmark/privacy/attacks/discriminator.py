"""A learned discriminator: logistic regression on what the other attacks look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from benchmark.privacy.attacks.base import ATTACKS, Attack, Runs, Scores
from benchmark.privacy.attacks.lira import Lira
from benchmark.privacy.attacks.rmia import Rmia
from benchmark.privacy.attacks.signals import Signals
from molecules.streams import stream

#: Rows (run x record) that the classifier is trained on at most.
ROWS = 20_000
#: Features are cut off at so many standard deviations.
WINDOW = 4.0


@dataclass(frozen=True)
class Discriminator(Attack):
    """Logistic regression on per-record features of the shadow models, applied to the target.

    Features: loss, loss less its mean over the models without the record, the range of the loss trace, and
    the scores of LiRA and RMIA. One half of the fitting runs gives the statistics of the records, the other
    the rows that the classifier is trained on, so that it learns from models that the statistics have not
    seen.
    """

    reference = "Shokri, Stronati, Song, Shmatikov, IEEE S&P 2017, with the features of the attacks above"
    fewest = 8

    def score(self, target: Signals, shadows: Signals, fit: Runs, scored: Runs) -> Scores:
        """Return the log odds of membership."""
        statistics, training = fit[::2], fit[1::2]
        rows = _features(shadows, shadows, statistics, training)
        labels = shadows.members[training].ravel()
        chosen = stream(0, "discriminator").permutation(len(labels))[:ROWS]
        model = make_pipeline(
            StandardScaler(),
            # a few records of enormous loss must not decide
            FunctionTransformer(np.clip, kw_args={"a_min": -WINDOW, "a_max": WINDOW}),
            LogisticRegression(max_iter=200),
        )
        model.fit(rows[chosen], labels[chosen])
        found = model.decision_function(_features(target, shadows, statistics, scored))
        return np.asarray(found, dtype=np.float64).reshape(len(scored), -1)


def _features(target: Signals, shadows: Signals, statistics: Runs, runs: Runs) -> NDArray[np.float64]:
    """Return the features of every run and record, shape (len(runs) * N, 5)."""
    loss = target.loss[runs].astype(np.float64)
    outside = np.where(shadows.members[statistics], np.nan, shadows.loss[statistics].astype(np.float64))
    known = ~np.isnan(outside)
    mean = np.where(known, outside, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    columns = [
        loss,
        loss - np.where(known.any(0), mean, loss.mean(0)),
        np.zeros_like(loss) if target.trace is None else np.ptp(target.trace[runs], axis=1),
        Lira(online=True, fixed=True).score(target, shadows, statistics, runs),
        Rmia().score(target, shadows, statistics, runs),
    ]
    return np.stack([column.ravel() for column in columns], axis=1)


ATTACKS.add("discriminator", Discriminator())
