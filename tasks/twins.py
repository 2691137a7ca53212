"""Twins: records of one substance that cleaning keeps apart, since their canonical SMILES differ.

They are told and never merged: which of two tautomers a source means, and whether a label holds for both, its
rows do not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from molecules.progress import SILENT, Progress

#: Molecules up to which a run computes InChIKeys (20 seconds, once); of more, only ``--report`` does.
LARGE = 50_000
#: What is said where a run did not.
UNCOUNTED = (
    f"Substances under several SMILES were not counted, as there are more than {LARGE:,} molecules; --report "
    "counts them."
)


@dataclass(frozen=True)
class Twins:
    """How many substances stand on two sides, or twice on one, under different canonical SMILES.

    Attributes
    ----------
    across : int
        Substances that have a record in the pool and one in the test set.
    within : int
        Records of the pool whose substance is that of an earlier one: the two may be member and non-member
        of one run.
    """

    across: int
    within: int


@dataclass(frozen=True)
class TwinReport:
    """Twins by two names of a substance.

    Attributes
    ----------
    inchikey : Twins
        By the whole standard InChIKey: tautomers, and charges drawn elsewhere.
    connectivity : Twins
        By its first block, which stereoisomers and other states of protonation share, too; those by InChIKey
        are among them.
    unnamed : int
        Records without an InChIKey, which are twins of none.
    """

    inchikey: Twins
    connectivity: Twins
    unnamed: int

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers, ready for JSON."""
        return asdict(self)


def twin_report(pool: Sequence[str], test: Sequence[str]) -> TwinReport:
    """Count twins.

    Parameters
    ----------
    pool, test : sequence of str
        InChIKeys of the records on both sides; empty where there is none.
    """
    from molecules.inchikeys import CONNECTIVITY

    return TwinReport(
        _count(pool, test),
        _count([key[:CONNECTIVITY] for key in pool], [key[:CONNECTIVITY] for key in test]),
        [*pool, *test].count(""),
    )


def twins_of(
    smiles: Sequence[str],
    pool: Sequence[str],
    test: Sequence[str],
    always: bool = False,
    progress: Progress = SILENT,
) -> TwinReport | None:
    """Return the twins among records.

    Parameters
    ----------
    smiles, pool, test : sequence of str
        Canonical SMILES of all records, and of those on both sides.
    always : bool
        Whether InChIKeys are computed of more than ``LARGE`` molecules, too.
    progress : Progress
        Listener.

    Returns
    -------
    TwinReport or None
        None if there are too many molecules, and their InChIKeys are not in the cache.
    """
    from molecules.inchikeys import cached_inchikeys, inchikeys

    keys = (inchikeys if always or len(smiles) <= LARGE else cached_inchikeys)(smiles, progress)
    if keys is None:
        return None
    key_of = dict(zip(smiles, keys, strict=True))
    return twin_report([key_of[text] for text in pool], [key_of[text] for text in test])


def twins_text(told: object) -> str:
    """Return one sentence of what :meth:`TwinReport.as_dict` gave, perhaps in a stored result.

    Empty where no InChIKey stands under two SMILES; None stands for too many molecules, see :func:`twins_of`.
    """
    if told is None:
        return UNCOUNTED
    if not isinstance(told, Mapping):
        return ""
    keys, blocks = (told.get(name) for name in ("inchikey", "connectivity"))
    if not isinstance(keys, Mapping) or not isinstance(blocks, Mapping) or not any(keys.values()):
        return ""
    return (
        "One substance by InChIKey under two SMILES (tautomers, charges drawn elsewhere): "
        f"{keys['across']:,} in pool and test set; records of the pool that repeat another one, which may be "
        f"member and non-member of one run: {keys['within']:,}; by connectivity, which stereoisomers and "
        f"other states of protonation share, {blocks['across']:,} and {blocks['within']:,}."
    )


def _count(pool: Sequence[str], test: Sequence[str]) -> Twins:
    named = [key for key in pool if key]
    distinct = set(named)
    return Twins(len(distinct.intersection(test)), len(named) - len(distinct))
