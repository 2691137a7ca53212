"""Suites: matrices of tasks and encoders that are measured by one command."""

from dataclasses import dataclass

from molecules.errors import UnknownNameError


@dataclass(frozen=True)
class Suite:
    """A matrix of cells.

    Attributes
    ----------
    description : str
        What it is for, in a sentence.
    tasks, encoders : tuple of str
        Names; every pair is a cell.
    """

    description: str
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]


#: Frozen pretrained encoders of the two molecular experiments, in the place of the paper's embedders.
_EMBEDDERS = ("gin", "gine", "gat", "attentivefp")
_REFERENCE = ("gin", "ecfp", "rdkit2d")

SUITES: dict[str, Suite] = {
    "embedded": Suite(
        "molecules that come with RDKit: no download",
        ("chembl2321810", "chembl2321810-active", "pains"),
        ("gin", "ecfp"),
    ),
    "moleculenet": Suite(
        "MoleculeNet's property tasks",
        (
            *("tox21", "toxcast", "clintox", "sider", "bbbp", "bace", "hiv", "muv"),
            *("bace-regression", "delaney", "freesolv", "lipophilicity", "qm7", "qm8"),
        ),
        _REFERENCE,
    ),
    "admet": Suite(
        "the ADMET benchmark group of TDC: its test tables, repeats of a molecule merged, and its metrics",
        (
            *("caco2_wang", "hia_hou", "pgp_broccatelli", "bioavailability_ma", "lipophilicity_astrazeneca"),
            *("solubility_aqsoldb", "bbb_martins", "ppbr_az", "vdss_lombardo"),
            *("cyp2c9_veith", "cyp2d6_veith", "cyp3a4_veith"),
            *("cyp2c9_substrate_carbonmangels", "cyp2d6_substrate_carbonmangels"),
            *("cyp3a4_substrate_carbonmangels", "half_life_obach", "clearance_hepatocyte_az"),
            *("clearance_microsome_az", "ld50_zhu", "herg", "ames", "dili"),
        ),
        _REFERENCE,
    ),
    "paper-classification": Suite(
        "classification tasks and several pretrained encoders: figure 3 of the paper",
        ("bbbp", "bace", "herg", "hia_hou", "pgp_broccatelli", "bbb_martins", "chembl2321810-active"),
        _EMBEDDERS,
    ),
    "paper-regression": Suite(
        "regression tasks and several pretrained encoders: figure 4 of the paper",
        (
            *("delaney", "freesolv", "bace-regression", "chembl2321810", "lipophilicity"),
            *("clearance_hepatocyte_az", "clearance_microsome_az"),
        ),
        _EMBEDDERS,
    ),
}


def get_suite(name: str) -> Suite:
    """Return the suite of a name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
