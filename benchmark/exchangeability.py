"""Whether members and non-members come from one distribution, as they must for an attack to mean anything."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

#: A classifier's AUC outside of this marks a cell as confounded, if it is not chance.
ALLOWED = (0.45, 0.55)


def exchangeability(
    embeddings: NDArray[np.float32], members: NDArray[np.bool_], runs: int = 8, most: int = 4000
) -> dict[str, float]:
    """Return how well a classifier tells members from non-members by their embeddings alone.

    Members are a random half, so nothing should tell them apart. Logistic regression is fitted on half of the
    records of a run and scored on the other, and the other way round.

    Parameters
    ----------
    embeddings : ndarray, shape (N, d)
        Of the pool.
    members : ndarray of bool, shape (R, N)
        Of every run.
    runs, most : int
        Runs it is tried on, and records of each at most.

    Returns
    -------
    dict
        ``auc``, its mean over runs, and ``error``, its standard error; NaN where there are too few records.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    values = embeddings[:most].astype(np.float64)
    values = (values - values.mean(0)) / np.maximum(values.std(0), 1e-6)
    found = []
    first = np.arange(len(values)) % 2 == 0
    for own in members[:runs, :most]:
        for fitted, scored in ((first, ~first), (~first, first)):
            if any(part.all() or not part.any() for part in (own[fitted], own[scored])):
                continue
            model = LogisticRegression(C=1e-3, max_iter=50).fit(values[fitted], own[fitted])
            found.append(float(roc_auc_score(own[scored], model.decision_function(values[scored]))))
    error = float(np.std(found, ddof=1) / np.sqrt(len(found))) if len(found) > 1 else float("nan")
    return {"auc": float(np.mean(found)) if found else float("nan"), "error": error}


def confounded(found: Mapping[str, float]) -> bool:
    """Tell whether a figure of :func:`exchangeability` is outside of what is allowed, beyond chance."""
    auc, error = found["auc"], found["error"]
    outside = not ALLOWED[0] <= auc <= ALLOWED[1]
    return bool(outside and abs(auc - 0.5) > 2 * error)
