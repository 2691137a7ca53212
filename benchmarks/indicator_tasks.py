"""The tasks of the study of indicators: those that it was chosen on, and those that it was confirmed on."""

from collections.abc import Callable

from molecules.errors import DataError
from tasks.catalogue import get_task
from tasks.locate import folders
from tasks.table_file import table_task
from tasks.task import DataOptions, Task


def _file(name: str, smiles: str, target: str) -> Callable[[], Task]:
    def make() -> Task:
        for folder in folders(DataOptions()):
            if (folder / name).exists():
                return table_task(folder / name, smiles, [target])
        raise DataError(f"{name} is in none of the data folders; give one in $MOLMIS_DATA")

    return make


def _admet(name: str) -> Callable[[], Task]:
    return _file(f"tdc/admet_group/{name}/train_val.csv", "Drug", "Y")


def _toxcast(assay: str) -> Callable[[], Task]:
    return _file("moleculenet/toxcast_data.csv.gz", "smiles", assay)


#: Looked at while the indicator was made.
CHOOSE: dict[str, Callable[[], Task]] = {
    "chembl2321810": lambda: get_task("chembl2321810"),
    "chembl2321810-active": lambda: get_task("chembl2321810-active"),
    "delaney": lambda: get_task("delaney"),
    "freesolv": _file("moleculenet/SAMPL.csv", "smiles", "expt"),
    "bbbp": _file("moleculenet/BBBP.csv", "smiles", "p_np"),
    "bace": _file("moleculenet/bace.csv", "mol", "Class"),
    "bace-regression": _file("moleculenet/bace.csv", "mol", "pIC50"),
    "herg": _admet("herg"),
    "hia_hou": _admet("hia_hou"),
    "pgp_broccatelli": _admet("pgp_broccatelli"),
    "ppbr_az": _admet("ppbr_az"),
    "half_life_obach": _admet("half_life_obach"),
    "clearance_hepatocyte_az": _admet("clearance_hepatocyte_az"),
    "clearance_microsome_az": _admet("clearance_microsome_az"),
    "lipophilicity": _file("moleculenet/Lipophilicity.csv", "smiles", "exp"),
    "tox21": lambda: get_task("tox21"),
}
#: Not looked at before the indicator was fixed.
CONFIRM: dict[str, Callable[[], Task]] = {
    "solubility_aqsoldb": _admet("solubility_aqsoldb"),
    "bioavailability_ma": _admet("bioavailability_ma"),
    "cyp2c9_substrate": _admet("cyp2c9_substrate_carbonmangels"),
    "cyp2d6_substrate": _admet("cyp2d6_substrate_carbonmangels"),
    "cyp3a4_substrate": _admet("cyp3a4_substrate_carbonmangels"),
    "clintox-ct_tox": _file("moleculenet/clintox.csv.gz", "smiles", "CT_TOX"),
    "clintox-fda": _file("moleculenet/clintox.csv.gz", "smiles", "FDA_APPROVED"),
    "toxcast-atg_pxre": _toxcast("ATG_PXRE_CIS_up"),
    "toxcast-atg_ere": _toxcast("ATG_ERE_CIS_up"),
    "toxcast-era_luc": _toxcast("TOX21_ERa_LUC_BG1_Agonist"),
    "toxcast-ahr_luc": _toxcast("TOX21_AhR_LUC_Agonist"),
    "toxcast-cyp1a1": _toxcast("CLD_CYP1A1_48hr"),
    "qm8-e1_cc2": _file("moleculenet/qm8.csv.gz", "smiles", "E1-CC2"),
    "qm8-f1_cc2": _file("moleculenet/qm8.csv.gz", "smiles", "f1-CC2"),
}
