"""Tasks of MoleculeNet, read by DeepChem.

DeepChem's loaders of QM7 and QM8 read conformations from SDF files. A property head takes the molecule alone,
so the tables of the same molecules are read that DeepChem hosts beside them, by DeepChem's reader of tables.

References
----------
.. [1] Wu et al., "MoleculeNet: a benchmark for molecular machine learning", Chem. Sci. 9 (2018) 513.
"""

from typing import Any

from tasks.catalogue import add_task
from tasks.deepchem_source import Source
from tasks.raw_file import RawFile
from tasks.task import Kind, Task
from tasks.toxcast_labels import TOXCAST_LABELS

_HOST = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/"
_BY_WAY = "by way of MoleculeNet"


def _add(
    name: str,
    file: RawFile,
    loader: str,
    *,
    kind: Kind = Kind.CLASSIFICATION,
    targets: tuple[str, ...],
    licence: str = "not stated",
    **facts: Any,
) -> Task:
    """Add a task that is read from one file."""
    source = Source(file, loader)
    return add_task(Task(name, kind, targets, licence=licence, load=source.load, files=source.files, **facts))


def _file(
    name: str,
    sha256: str | None,
    targets: tuple[str, ...],
    smiles: str = "smiles",
    also: tuple[str, ...] = (),
) -> RawFile:
    return RawFile("moleculenet", name, _HOST + name, sha256, (smiles, *targets), also)


_TOX21_TARGETS = (
    "NR-AR",
    "NR-AR-LBD",
    "NR-AhR",
    "NR-Aromatase",
    "NR-ER",
    "NR-ER-LBD",
    "NR-PPAR-gamma",
    "SR-ARE",
    "SR-ATAD5",
    "SR-HSE",
    "SR-MMP",
    "SR-p53",
)

TOX21 = _add(
    "tox21",
    _file("tox21.csv.gz", "7d7e7facd853a63e79ddce4e9c3fcb7a0d83a1c300b603031c0f2c64fbe77761", _TOX21_TARGETS),
    "load_tox21",
    targets=_TOX21_TARGETS,
    description="Activity (0 or 1) in 12 nuclear receptor and stress response assays; 17 % missing.",
    source="Tox21 Data Challenge 2014, https://tripod.nih.gov/tox21/challenge, by way of MoleculeNet",
    split="random",
    metric="roc_auc",
    known_defects="8 of 7,831 rows cannot be parsed by RDKit; actives are rare (3 to 16 % of a label).",
    rows=7831,
    records=7823,
)

TOXCAST = _add(
    "toxcast",
    _file(
        "toxcast_data.csv.gz",
        "0598b33326818254fcb7ced0e039b8e40ed42a18e9063c27cacc1e43b2df0f7a",
        TOXCAST_LABELS,
    ),
    "load_toxcast",
    targets=TOXCAST_LABELS,
    description="Activity (0 or 1) in 617 high-throughput toxicity assays; 71 % missing.",
    source=f"US EPA ToxCast; Richard et al., Chem. Res. Toxicol. 29 (2016) 1225, {_BY_WAY}",
    licence="not stated; ToxCast data are in the public domain",
    split="random",
    metric="roc_auc",
    known_defects="18 of 8,615 rows cannot be parsed by RDKit and 18 repeat a molecule; 1,737 records are "
    "salts or mixtures.",
    rows=8615,
    records=8579,
)

_CLINTOX_TARGETS = ("FDA_APPROVED", "CT_TOX")

CLINTOX = _add(
    "clintox",
    _file(
        "clintox.csv.gz", "9999816e760dd838358b5d88e81cea2fc062be4458ffa412ceecdba4f88a67b6", _CLINTOX_TARGETS
    ),
    "load_clintox",
    targets=_CLINTOX_TARGETS,
    description="Whether a drug is approved by the FDA, and whether it failed in trials for its toxicity.",
    source=f"Gayvert et al., Cell Chem. Biol. 23 (2016) 1294, {_BY_WAY}",
    split="random",
    metric="roc_auc",
    known_defects="The two labels are nearly each other's opposite (98.8 % of rows sum to 1), and both are "
    "uneven; 4 of 1,484 rows cannot be parsed by RDKit, and 19 molecules occur twice with opposite labels.",
    rows=1484,
    records=1442,
)

_SIDER_TARGETS = (
    "Hepatobiliary disorders",
    "Metabolism and nutrition disorders",
    "Product issues",
    "Eye disorders",
    "Investigations",
    "Musculoskeletal and connective tissue disorders",
    "Gastrointestinal disorders",
    "Social circumstances",
    "Immune system disorders",
    "Reproductive system and breast disorders",
    "Neoplasms benign, malignant and unspecified (incl cysts and polyps)",
    "General disorders and administration site conditions",
    "Endocrine disorders",
    "Surgical and medical procedures",
    "Vascular disorders",
    "Blood and lymphatic system disorders",
    "Skin and subcutaneous tissue disorders",
    "Congenital, familial and genetic disorders",
    "Infections and infestations",
    "Respiratory, thoracic and mediastinal disorders",
    "Psychiatric disorders",
    "Renal and urinary disorders",
    "Pregnancy, puerperium and perinatal conditions",
    "Ear and labyrinth disorders",
    "Cardiac disorders",
    "Nervous system disorders",
    "Injury, poisoning and procedural complications",
)

SIDER = _add(
    "sider",
    _file("sider.csv.gz", None, _SIDER_TARGETS),
    "load_sider",
    targets=_SIDER_TARGETS,
    description="Whether a marketed drug has a side effect of each of 27 classes of organs.",
    source=f"SIDER 4.1; Kuhn et al., Nucleic Acids Res. 44 (2016) D1075, {_BY_WAY}",
    licence="not stated; SIDER is CC BY-NC-SA 4.0",
    split="random",
    metric="roc_auc",
    known_defects="No checksum of the file is known here: only its columns are checked. Some labels are "
    "nearly constant.",
)

BBBP = _add(
    "bbbp",
    _file("BBBP.csv", "d07a38487aeac5cee5508413e468043ef3097451d2a112701c2d60be9ec6b662", ("p_np",)),
    "load_bbbp",
    targets=("p_np",),
    description="Whether a molecule passes the blood-brain barrier (1) or not (0).",
    source=f"Martins et al., J. Chem. Inf. Model. 52 (2012) 1686, {_BY_WAY}",
    split="scaffold",
    metric="roc_auc",
    known_defects="11 of 2,050 rows cannot be parsed by RDKit, 64 repeat a molecule, and 10 molecules have "
    "both labels.",
    rows=2050,
    records=1965,
)

_BACE = "bace.csv"
_BACE_SHA256 = "f3fb9ce90bada3e2bd6148b0df13f8f8145a357bf87df0dd5b391ede974fc737"
_BACE_SOURCE = f"Subramanian et al., J. Chem. Inf. Model. 56 (2016) 1936, {_BY_WAY}"

BACE = _add(
    "bace",
    _file(_BACE, _BACE_SHA256, ("Class",), smiles="mol"),
    "load_bace_classification",
    targets=("Class",),
    description="Whether a molecule inhibits human beta-secretase 1.",
    source=_BACE_SOURCE,
    split="scaffold",
    metric="roc_auc",
    known_defects="The class is the potency of bace-regression cut at a threshold; measured in several "
    "laboratories.",
    rows=1513,
    records=1513,
)

BACE_REGRESSION = _add(
    "bace-regression",
    _file(_BACE, _BACE_SHA256, ("pIC50",), smiles="mol"),
    "load_bace_regression",
    kind=Kind.REGRESSION,
    targets=("pIC50",),
    description="Potency against human beta-secretase 1: pIC50 = -log10(IC50 in mol per litre).",
    source=_BACE_SOURCE,
    split="scaffold",
    metric="rmse",
    known_defects="Measured in several laboratories.",
    rows=1513,
    records=1513,
)

HIV = _add(
    "hiv",
    _file("HIV.csv", "9ffa7fe57dc86c342627ee1d5255e937e2ab812393c73c4d16c697022f6e1d22", ("HIV_active",)),
    "load_hiv",
    targets=("HIV_active",),
    description="Whether a molecule inhibits replication of HIV in cells (3.5 % of 41,127).",
    source=f"NCI DTP AIDS antiviral screen, {_BY_WAY}",
    licence="not stated; the screen is a work of the US government",
    split="scaffold",
    metric="roc_auc",
    known_defects="7 of 41,127 rows cannot be parsed by RDKit; the moderately active count as active; 3,086 "
    "records are salts or mixtures.",
    rows=41127,
    records=41120,
)

_MUV_TARGETS = tuple(
    f"MUV-{assay}"
    for assay in (466, 548, 600, 644, 652, 689, 692, 712, 713, 733, 737, 810, 832, 846, 852, 858, 859)
)

MUV = _add(
    "muv",
    _file("muv.csv.gz", "feac9a780cb5f2e5e1c51e6ba61491a524da544ca1d6e4b542f9ad358fe0527b", _MUV_TARGETS),
    "load_muv",
    targets=_MUV_TARGETS,
    description="Activity (0 or 1) in 17 PubChem assays chosen against bias; 84 % missing.",
    source=f"Rohrer and Baumann, J. Chem. Inf. Model. 49 (2009) 169, {_BY_WAY}",
    split="random",
    metric="pr_auc",
    known_defects="About 30 actives and 15,000 inactives a label, so figures of one label vary widely; 40 "
    "SMILES occur twice.",
    rows=93127,
    records=93087,
)

_ESOL = "measured log solubility in mols per litre"

DELANEY = _add(
    "delaney",
    _file(
        "delaney-processed.csv", "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189", (_ESOL,)
    ),
    "load_delaney",
    kind=Kind.REGRESSION,
    targets=(_ESOL,),
    description="ESOL: measured solubility in water, log10 of mol per litre.",
    source="Delaney, J. Chem. Inf. Comput. Sci. 44 (2004) 1000, by way of MoleculeNet",
    split="random",
    metric="rmse",
    known_defects="11 of 1,128 rows repeat a molecule in another SMILES; simple molecules dominate.",
    rows=1128,
    records=1117,
)

FREESOLV = _add(
    "freesolv",
    _file("SAMPL.csv", "ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72", ("expt",)),
    "load_sampl",
    kind=Kind.REGRESSION,
    targets=("expt",),
    description="Measured free energy of hydration, kcal per mol.",
    source=f"Mobley and Guthrie, J. Comput.-Aided Mol. Des. 28 (2014) 711, {_BY_WAY}",
    licence="not stated; FreeSolv itself is CC BY-NC-SA 4.0",
    split="random",
    metric="rmse",
    known_defects="Few and small molecules; the column calc is a simulation, and is not used.",
    rows=642,
    records=642,
)

LIPOPHILICITY = _add(
    "lipophilicity",
    _file("Lipophilicity.csv", "aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd", ("exp",)),
    "load_lipo",
    kind=Kind.REGRESSION,
    targets=("exp",),
    description="Measured distribution between octanol and water at pH 7.4, logD.",
    source=f"AstraZeneca deposit in ChEMBL (CHEMBL3301361), {_BY_WAY}",
    licence="not stated; ChEMBL data are CC BY-SA 3.0",
    split="random",
    metric="rmse",
    known_defects="The molecules of lipophilicity_astrazeneca, under another split and metric.",
    rows=4200,
    records=4200,
)

QM7 = _add(
    "qm7",
    _file("qm7.csv", None, ("u0_atom",), also=("qm7.csv.gz",)),
    "",
    kind=Kind.REGRESSION,
    targets=("u0_atom",),
    description="Computed energy of atomization of molecules of up to 7 heavy atoms, kcal per mol.",
    source=f"Rupp et al., Phys. Rev. Lett. 108 (2012) 058301, {_BY_WAY}",
    split="random",
    metric="mae",
    known_defects="Read from the table of SMILES (qm7.csv), not from the conformations (gdb7.sdf) that the "
    "energies are of; no checksum of the table is known here: only its columns are checked. MoleculeNet asks "
    "for a stratified split, which is not offered here.",
)

_QM8_TARGETS = tuple(
    f"{excitation}-{method}" for method in ("CC2", "PBE0", "CAM") for excitation in ("E1", "E2", "f1", "f2")
)

QM8 = _add(
    "qm8",
    _file(
        "qm8.csv",
        "3e70e56805edb2f0796b64f96af9b53dd8cca408d775612d47123f7d2da7d61d",
        _QM8_TARGETS,
        also=("qm8.csv.gz",),
    ),
    "",
    kind=Kind.REGRESSION,
    targets=_QM8_TARGETS,
    description="Computed energies and oscillator strengths of two electronic transitions by three methods, "
    "in atomic units.",
    source=f"Ramakrishnan et al., J. Chem. Phys. 143 (2015) 084111, {_BY_WAY}",
    split="random",
    metric="mae",
    known_defects="The file has four columns twice, with equal values: 12 of its 16 are used. 20 rows repeat "
    "a molecule. Read from the table of SMILES, not from the conformations that the values are of.",
    rows=21786,
    records=21766,
)
