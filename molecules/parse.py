"""SMILES in, an RDKit molecule or nothing out; the canonical form by which molecules are told apart."""

from collections.abc import Sequence

from rdkit import Chem, rdBase

from molecules.errors import DataError


def parse(smiles: str) -> Chem.Mol | None:
    """Return the sanitized molecule of one SMILES, or None.

    Parameters
    ----------
    smiles : str
        As written in the source.

    Returns
    -------
    rdkit.Chem.Mol or None
        None where RDKit refuses the SMILES. An empty or blank SMILES gives a molecule without atoms;
        :func:`is_empty` tells it apart.
    """
    with rdBase.BlockLogs():  # each refusal would print several lines
        return Chem.MolFromSmiles(smiles.strip())


def is_empty(mol: Chem.Mol) -> bool:
    """Tell whether a molecule has no atoms."""
    return bool(mol.GetNumAtoms() == 0)


def canonical(mol: Chem.Mol) -> str:
    """Return RDKit's canonical isomeric SMILES: equal for equal molecules, stereochemistry included."""
    return str(Chem.MolToSmiles(mol))


def read_smiles(text: str) -> tuple[str, str]:
    """Return the clean SMILES of an entry of a source, and why there is none: one of both is empty.

    The rule of :mod:`molecules.clean` for one row. RDKit's log is left as it is: callers loop over many
    entries inside ``rdkit.rdBase.BlockLogs``.

    Parameters
    ----------
    text : str
        As written in the source.

    Returns
    -------
    smiles : str
        Canonical isomeric SMILES.
    reason : str
        ``"unparseable"`` where RDKit refuses the entry, ``"empty"`` where it holds no atom.
    """
    mol = Chem.MolFromSmiles(text.strip())
    if mol is None:
        return "", "unparseable"
    return ("", "empty") if is_empty(mol) else (canonical(mol), "")


def as_molecule(entry: "str | Chem.Mol", row: int) -> Chem.Mol:
    """Return ``entry`` as a molecule; a SMILES that cannot be parsed is an error.

    RDKit's log is left as it is: callers loop over many entries inside ``rdkit.rdBase.BlockLogs``.

    Parameters
    ----------
    entry : str or rdkit.Chem.Mol
        A SMILES or a molecule.
    row : int
        Position of the entry, counted from 0, for the message.

    Raises
    ------
    DataError
        If RDKit refuses the SMILES. Records that went through :mod:`molecules.clean` always parse.
    """
    if not isinstance(entry, str):
        return entry
    mol = Chem.MolFromSmiles(entry.strip())  # the caller silences the log, once for all entries
    if mol is None:
        raise DataError(
            f"SMILES {entry!r} at position {row} cannot be parsed by RDKit; "
            "pass the molecules through molecules.clean first, which drops and counts such rows"
        )
    return mol


def parse_all(smiles: Sequence[str]) -> list[Chem.Mol | None]:
    """Return :func:`parse` of every SMILES, in order."""
    with rdBase.BlockLogs():
        return [Chem.MolFromSmiles(text.strip()) for text in smiles]
