"""The sentences below a table: what its figures mean, and what they do not say."""

import pandas as pd

from benchmark.attack_table import LIRA, order_by, order_text
from benchmark.cell_runs import CellRuns
from benchmark.choice import agreement, recommend
from benchmark.encoder_text import seen_text
from benchmark.exchangeability import confounded
from benchmark.joint_report import joint_text
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.privacy.ranking import TRIM
from benchmark.record_report import record_text, shown_quantizers
from benchmark.scope import Scope
from tasks.data_report import scored_text
from tasks.task import OFFICIAL
from tasks.twins import twins_text

#: Below so many runs an interval from resampling them is rough.
FEW_RUNS = 16
#: Names said in a list before it is cut short.
_SHOWN = 12


def notes(runs: CellRuns, table: pd.DataFrame, max_drop: float, metric: str) -> list[str]:
    """Return what a reader of the table must be told.

    Parameters
    ----------
    runs : CellRuns
        The measured cell.
    table : DataFrame
        Its table.
    max_drop : float
        Loss of performance within which a quantizer is recommended.
    metric : str
        Name of the main metric, for people.
    """
    return [
        _indicator(runs),
        "gap: mean loss of non-members less that of members, of the published head; smaller = more private.",
        "Brackets: 95 % intervals over runs (other halves of the pool, other initial weights), not over "
        "other test records." + _roughness(runs),
        _covered(runs, table),
        *_fresh(runs),
        *_full_pool(runs, table),
        *_seen(runs),
        *_scored(runs),
        *_data(runs),
        *_not_told_apart(table),
        _agreement(runs),
        *_attacks(runs, table),
        *_further(runs, table, max_drop),
        *(f"Flag {row['quantizer']}: {row['flags']}." for _, row in table.iterrows() if row["flags"]),
        _recommendation(runs, table.set_index("quantizer"), max_drop, metric),
    ]


def _indicator(runs: CellRuns) -> str:
    """Say what r is and how far it can be told."""
    resolution = f"{1e4 * runs.scale.resolution:.2f} × 10⁻⁴"
    if runs.indicator is Indicator.PLAIN:
        return (
            f"r: larger = more private (plain indicator, {runs.aggregate} over runs, noise floor "
            f"subtracted). Resolution {resolution}; ~ marks figures within it, which share a rank. "
            + ("Found by racing, to within the resolution. " if runs.facts.get("race") else "")
            + "r ranks the quantizers of one task; it is no absolute measure of what leaks."
        )
    return (
        "r: larger = more private (membership effect: how far training on a record moves its margin, "
        f"{runs.aggregate} over runs). Resolution {resolution}: ≥ marks figures where no effect is told "
        "from none, which share a rank. r ranks the quantizers of one task."
    )


def _roughness(runs: CellRuns) -> str:
    said = f" From {runs.runs} runs only, they are rough." if runs.runs < FEW_RUNS else ""
    if runs.aggregate is Aggregate.TRIMMED and runs.runs * TRIM < 1:
        said += f" The trimmed mean of {runs.runs} runs leaves none out; it takes 10 or more."
    return said


def _covered(runs: CellRuns, table: pd.DataFrame) -> str:
    """Say which weights are quantized, and how large a part of the model they are."""
    if runs.train_encoder:
        quantized = (
            "both; biases and normalisation" if runs.scope.whole else "the head; biases and the encoder"
        )
        return (
            "Every run trained an encoder of its own with the head, from the pretrained weights; running "
            f"statistics stay those of the pretraining. Quantized: {quantized} stay float32. A file holds "
            "encoder and head."
        )
    if runs.scope.whole:
        renormed = runs.scope is Scope.MODEL_NORMS
        return (
            "Quantized: the whole model. Coverage counts the parameters of encoder and head; biases and "
            "normalisation stay float32"
            + (", its running statistics taken anew of public molecules. " if renormed else ". ")
            + "Heads were trained before, on full-precision embeddings."
        )
    if not runs.facts.get("encoder_parameters"):
        return "Quantized: the weights of the head; biases stay float32."
    share = float(table["model_coverage"].max())
    return (
        f"Quantized: the weights of the head, {share:.1%} of the parameters of the whole model; biases and "
        "the encoder stay float32 (--quantize model)."
    )


def _fresh(runs: CellRuns) -> list[str]:
    """Say so where the plain indicator is measured on records drawn afresh."""
    fresh = runs.facts.get("fresh")
    if not isinstance(fresh, int):
        return []
    return [
        f"Synthetic records: the plain indicator is measured on {fresh:,} fresh ones, all else on the pool."
    ]


def _full_pool(runs: CellRuns, table: pd.DataFrame) -> list[str]:
    """Say what heads on the whole pool are."""
    count = int(table["full_runs"].max())
    if not count:
        return []
    return [
        f"whole pool: the main metric of {count} further heads trained on all of the pool, mean ± standard "
        "deviation over them; all else is of heads trained on halves.",
        *([_protocol(runs)] if _protocol(runs) else []),
    ]


def _protocol(runs: CellRuns) -> str:
    """Return how the source asks for figures; empty where it does not, or the split is not its own."""
    return str(runs.facts.get("source_protocol") or "") if runs.facts.get("split") == OFFICIAL else ""


def _data(runs: CellRuns) -> list[str]:
    """Say what the test records stand for, and which substances stand on two sides."""
    said = [twins_text(runs.facts.get("twins", {}))]
    if runs.facts.get("split") == OFFICIAL:
        said.insert(0, scored_text(runs.facts.get("data")))
    return [sentence for sentence in said if sentence]


def _seen(runs: CellRuns) -> list[str]:
    """Say what the encoder saw of the task before."""
    said = seen_text(runs.facts.get("encoder_seen"))
    return [said] if said else []


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _scored(runs: CellRuns) -> list[str]:
    left_out, targets = runs.facts.get("unscored"), runs.facts.get("targets")
    if not isinstance(left_out, list) or not isinstance(targets, list) or not left_out:
        return []
    return [
        f"Scored on {len(targets) - len(left_out)} of {len(targets)} labels; left out, with one class or "
        f"value only in the test set: {_listed(left_out)}."
    ]


def _not_told_apart(table: pd.DataFrame) -> list[str]:
    names = table.loc[table["below_resolution"] & table["privacy_rank"].notna(), "quantizer"]
    if len(names) < 2:
        return []
    return [f"r does not tell these apart (all within its resolution): {', '.join(names)}."]


def _agreement(runs: CellRuns) -> str:
    found = agreement(runs)
    if found.reason:
        return f"The orders by r and by the gap cannot be compared: {found.reason}."
    return (
        f"r and the gap order the quantizers with a Spearman correlation of {found.spearman:.2f} "
        f"[{found.low:.2f}, {found.high:.2f}]"
        + (": they disagree, so read both columns." if found.spearman < 0.7 else ".")
    )


def _attacks(runs: CellRuns, table: pd.DataFrame) -> list[str]:
    """Say what the attack columns mean, how r and the gap order against them, and what cannot be believed."""
    if runs.attacks is None:
        return ["Attacks were not tried (--no-attacks)."]
    if table["mis_bound"].isna().all():
        reasons = sorted({str(verdict) for verdict in table["attack_verdict"]})
        return [f"Attacks gave no figures: {'; '.join(reasons)}."]
    given = runs.attacks[runs.attacks["reason"] == ""]
    said = [
        f"{_lira(runs.attacks, table)} MIS ≤ 1 - the largest advantage of "
        f"{given['attack'].nunique()} attacks; smaller = less secure.",
    ]
    orders = {figure: order_by(figure, runs.attacks, runs) for figure in ("r", "gap")}
    told = [order_text(figure, order) for figure, order in orders.items() if order is not None]
    if told:
        said.append(f"Order by each against matched LiRA: {'; '.join(told)}.")
    chance = table.loc[table["attack_verdict"].str.startswith("not "), "quantizer"]
    if len(chance):
        said.append(f"No attack tells members of these from chance (Holm, 5 %): {', '.join(chance)}.")
    return said + _exchangeable(runs)


def _lira(attacks: pd.DataFrame, table: pd.DataFrame) -> str:
    """Say what the columns of LiRA mean, or why they are empty."""
    if table["lira_auc"].isna().all():
        reasons = sorted(set(attacks.loc[attacks["attack"] == LIRA, "reason"]))
        return f"LiRA gave no figures: {'; '.join(reasons)}."
    return (
        "LiRA AUC: 0.5 = a coin; shadow models quantized as the target, one variance for all records; "
        "mismatched: with float32 shadows instead."
    )


def _further(runs: CellRuns, table: pd.DataFrame, max_drop: float) -> list[str]:
    """Say which records attacks tell, and what several published versions add."""
    if runs.attacks is None:
        return []
    return [*record_text(runs, shown_quantizers(runs, table, max_drop)), *joint_text(runs)]


def _exchangeable(runs: CellRuns) -> list[str]:
    """Say so where members and non-members differ before any training."""
    found = runs.facts.get("exchangeability")
    if not isinstance(found, dict) or not confounded(found):
        return []
    return [
        "Confounded: a classifier tells members from non-members by their embeddings alone "
        f"(AUC {found['auc']:.2f}); attacks and gap measure this too."
    ]


#: What is said where there is nothing to recommend.
_NOTHING = {
    "no skill": "No recommendation: no quantizer, nor float32, leaves a model with skill.",
    "useless": "No recommendation: every quantizer but float32 leaves a model without skill.",
    "alone": "No recommendation: float32 alone was measured.",
    "loss": "Recommended {within}: none but float32; a larger --max-drop lets more in.",
    "unknown": "No recommendation: neither r nor the gap is known of those {within}.",
}


def _recommendation(runs: CellRuns, rows: pd.DataFrame, max_drop: float, metric: str) -> str:
    """Say in one line which quantizer to take, by which figure, and what is as good."""
    found = recommend(runs, max_drop)
    within = f"within a loss of {max_drop:.1%} of {metric}"
    if found.quantizer is None:
        return _NOTHING[found.by].format(within=within)
    row = rows.loc[found.quantizer]
    if found.by == "r":
        why = f"largest r, rank {row['privacy_rank']} of {rows['privacy_rank'].notna().sum()}"
    else:
        why = "smallest gap; r does not tell those within the loss apart"
    low = row["relative_low"]
    said = f"Recommended {within}: {found.quantizer} ({why}; relative performance "
    said += f"{row['relative_performance']:.3f} [{low:.3f}, {row['relative_high']:.3f}])."
    if low < 1 - max_drop:
        said += " Its interval reaches below what may be lost."
    if found.untold:
        said += f" Not told apart from it by {found.by}: {', '.join(found.untold)}."
    if found.other:
        same = found.other == found.quantizer
        said += " The gap agrees." if same else f" By the smallest gap it would be {found.other}."
    return said
