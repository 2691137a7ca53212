"""The 22 tasks of the ADMET benchmark group of Therapeutics Data Commons (TDC), with its own test sets.

TDC's own package is not needed: its archive holds two tables a task, ``train_val.csv`` and ``test.csv``,
with the columns ``Drug_ID``, ``Drug`` (a SMILES) and ``Y``. The first table is the pool, the second the test
set. What TDC asks for beyond that, and how far figures made here are like its own, says ``PROTOCOL``.

References
----------
.. [1] Huang et al., "Therapeutics Data Commons: machine learning datasets and tasks for drug discovery and
   development", NeurIPS Datasets and Benchmarks (2021); https://tdcommons.ai/benchmark/admet_group/overview
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from molecules.cache import content_key, file_sha256
from tasks.catalogue import add_task
from tasks.label_columns import is_missing, read_label_column
from tasks.locate import locate
from tasks.raw_file import Archive, RawFile
from tasks.table_file import read_table
from tasks.task import OFFICIAL, DataOptions, Kind, RawRecords, Task

#: The archive of the group, as TDC's package downloads it.
ARCHIVE_URL = "https://dataverse.harvard.edu/api/access/datafile/4426004"
#: What TDC asks for beyond its test table and metric, and what of it is followed here.
PROTOCOL = (
    "TDC scores every row of its test table, for five trainings or more, each with another eighth of the "
    "training table as validation set, and gives mean and standard deviation (over n). Followed are the test "
    "table, the metric and, with --train-on all, five trainings, from other initial weights and in another "
    "order of batches each. Not followed: heads are trained on the whole training table for a fixed number "
    "of epochs, without a validation set; the deviation is over n - 1; and repeats of a molecule are one "
    "record, in the test table too, because no repeat may stand on both sides of a split or of the halves of "
    "a run. Repeats that disagree are dropped, and no model predicts them all: where there are some, figures "
    "look better than by TDC's scoring."
)
_TABLES = ("train_val.csv", "test.csv")
_LICENCE = (
    "not stated in the archive; TDC gives CC BY 4.0 for most of its data sets: see its page of this one"
)


@dataclass(frozen=True)
class _Source:
    """The two tables of one task."""

    name: str
    sha256: tuple[str, str] | None

    def files(self, _: Task, options: DataOptions) -> tuple[Path, ...]:
        """Return the located and checked tables."""
        hashes = self.sha256 or (None, None)
        return tuple(
            locate(self._table(name, sha256), options) for name, sha256 in zip(_TABLES, hashes, strict=True)
        )

    def load(self, task: Task, options: DataOptions) -> RawRecords:
        """Read every row of the training table and then of the test table."""
        paths = self.files(task, options)
        smiles, labels, test, tables = [], [], [], []
        for path, held in zip(paths, (False, True), strict=True):
            table = read_table(path)
            smiles += ["" if is_missing(text) else text for text in table.column("Drug")]
            labels.append(read_label_column(path, "Y", table.column("Y"), task.kind).values)
            test += [held] * len(table.rows)
            tables.append((path.name, len(table.rows)))
        return RawRecords(
            smiles=smiles,
            labels=np.concatenate(labels)[:, None],
            targets=task.targets,
            kind=task.kind,
            origin=str(paths[0].parent),
            sha256=content_key([file_sha256(path) for path in paths]),
            test=np.array(test, dtype=np.bool_),
            tables=tuple(tables),
        )

    def _table(self, name: str, sha256: str | None) -> RawFile:
        return RawFile(
            collection="tdc",
            name=name,
            url=ARCHIVE_URL,
            sha256=sha256,
            columns=("Drug_ID", "Drug", "Y"),
            archive=Archive("admet_group.zip", f"admet_group/{self.name}/{name}"),
        )


def _add(
    name: str,
    metric: str,
    description: str,
    source: str,
    sha256: tuple[str, str] | None = None,
    counts: tuple[int, int] = (0, 0),
    known_defects: str = "",
) -> Task:
    """Add one task; ``counts`` are rows and clean records, ``sha256`` of the training and the test table."""
    tables = _Source(name, sha256)
    kind = Kind.REGRESSION if metric in {"mae", "spearman"} else Kind.CLASSIFICATION
    unknown = "" if sha256 else "No checksum of its tables is known here: only their columns are checked."
    return add_task(
        Task(
            name=name,
            kind=kind,
            targets=("Y",),
            description=description,
            source=f"{source}, by way of TDC",
            licence=_LICENCE,
            load=tables.load,
            files=tables.files,
            split=OFFICIAL,
            metric=metric,
            known_defects=" ".join(part for part in (known_defects, unknown) if part),
            rows=counts[0],
            records=counts[1],
            protocol=PROTOCOL,
        )
    )


_add(
    "caco2_wang",
    "mae",
    "Permeability through a layer of Caco-2 cells, log10 of cm per s.",
    "Wang et al., J. Chem. Inf. Model. 56 (2016) 763",
)

_add(
    "hia_hou",
    "roc_auc",
    "Whether a drug is absorbed in the human intestine.",
    "Hou et al., J. Chem. Inf. Model. 47 (2007) 208",
    (
        "87f35dc1767174efa245ee71644229b5073a8490988527a3fe6d2f1e7522c7db",
        "da702497c3c0a50dbdff77471517562a8813859f53f069ac5bb43126aa534351",
    ),
    (578, 578),
)

_add(
    "pgp_broccatelli",
    "roc_auc",
    "Whether a molecule inhibits P-glycoprotein.",
    "Broccatelli et al., J. Med. Chem. 54 (2011) 1740",
    (
        "4a9183cf40c01881c6cfdeee7b68fed6dbe31348081099a323b9b76351a1dae0",
        "959e448d2b8927d65ede864838c2eee5b2075d4c01ca544aeec4c90d663b4ccb",
    ),
    (1218, 1212),
    "6 rows repeat a molecule.",
)

_add(
    "bioavailability_ma",
    "roc_auc",
    "Whether at least a fifth of an oral dose reaches the blood.",
    "Ma et al., J. Pharm. Biomed. Anal. 47 (2008) 677",
    (
        "f2b9eb265aed8261cb4033668b20d78e082dd9f43ccdbd1b3781d05596b5b137",
        "329a4a20a82975658d15bc488ad4f68d58bc68c511273360d9fdcaef61a9f281",
    ),
    (640, 640),
)

_add(
    "lipophilicity_astrazeneca",
    "mae",
    "Measured distribution between octanol and water at pH 7.4, logD.",
    "AstraZeneca deposit in ChEMBL (CHEMBL3301361)",
    (
        "a54636f85cf31eb4c914ea15e2c3a15364b0b8b51986262ea229203637e08f31",
        "69f3870c9b6f2cec79a992a31d59d2e940962f7e2c4b27dabaed1fe1e767e2d8",
    ),
    (4200, 4200),
    "The molecules of lipophilicity, under another split and metric.",
)

_add(
    "solubility_aqsoldb",
    "mae",
    "Measured solubility in water, log10 of mol per litre.",
    "AqSolDB; Sorkun et al., Sci. Data 6 (2019) 143",
    (
        "adbee092423fe0cb0f4219520f2f93730b6ba5bb1d0ef8dd7764c2d32b3393b9",
        "18cd02deec4e06c611a6e7e38fb44a1731bc0c0a96bc5d4ded098ff29da645fe",
    ),
    (9982, 9980),
    "2 rows, of the test table, cannot be parsed by RDKit; 1,098 records are salts or mixtures; "
    "measured under differing conditions.",
)

_add(
    "bbb_martins",
    "roc_auc",
    "Whether a molecule passes the blood-brain barrier.",
    "Martins et al., J. Chem. Inf. Model. 52 (2012) 1686",
    (
        "5035139072311f4cb0a1a54cffe11bc727004886ace4629b98f6db20c431e4af",
        "82d4fa96f671a8382e9d8e6de3dde8385b9f337854c83e6fde2e69a7be93754f",
    ),
    (2030, 1965),
    "55 rows repeat a molecule, and 10 molecules have both labels; the molecules of bbbp.",
)

_add(
    "ppbr_az",
    "mae",
    "Share bound to plasma proteins, per cent.",
    "AstraZeneca deposit in ChEMBL (CHEMBL3301361)",
    (
        "edc4416f46b0e463b3c5f26b10e0ac2ba013db53813ac9546c4780bbb5f81720",
        "c3a0acbca0053a0d7aa8b6ed01e9873abeddde88fa1340c1edfb63d9cf728f42",
    ),
    (2790, 1632),
    "Values of several species, which the tables do not tell: 1,797 molecules in 2,790 rows; 165 whose "
    "values differ by more than half a standard deviation are dropped.",
)

_add(
    "vdss_lombardo",
    "spearman",
    "Volume of distribution at steady state, litres per kg.",
    "Lombardo and Jing, J. Chem. Inf. Model. 56 (2016) 2042",
)

_add(
    "cyp2c9_veith",
    "pr_auc",
    "Whether a molecule inhibits cytochrome P450 2C9.",
    "Veith et al., Nat. Biotechnol. 27 (2009) 1050",
    (
        "f7d1cb85adac9b1c4bca33936c7ecde2d0e3c127258846786ca7bf6418ddb1a4",
        "e62409b62d6adc69c25eb47d83bfb88379878d70656e0191a8f555ef733e2519",
    ),
    (12092, 12092),
)

_add(
    "cyp2d6_veith",
    "pr_auc",
    "Whether a molecule inhibits cytochrome P450 2D6.",
    "Veith et al., Nat. Biotechnol. 27 (2009) 1050",
    (
        "e9e65ba87e09d23aa49fa068bdbb6a16dc686d7916d15f1028569bf6fc3bc5c8",
        "8e8f9ec13df932e38b6467051a1ac496d498bd87ef9d893fde3490757e676c16",
    ),
    (13130, 13130),
)

_add(
    "cyp3a4_veith",
    "pr_auc",
    "Whether a molecule inhibits cytochrome P450 3A4.",
    "Veith et al., Nat. Biotechnol. 27 (2009) 1050",
    (
        "df6944a7a01cf8ba0a56b87214ea9e25ac40a8f8a64d92da454f12fbc50d179f",
        "5b7d31656dd28ad48e2a1c9ee9b59cce39b6dfa268f5f285f939629a339ec9bc",
    ),
    (12328, 12328),
)

_add(
    "cyp2c9_substrate_carbonmangels",
    "pr_auc",
    "Whether cytochrome P450 2C9 metabolises a drug.",
    "Carbon-Mangels and Hutter, Mol. Inf. 30 (2011) 885",
    (
        "64bfc7ba07896486b9cf4253a9e31e6551586a1d868a4fef14b4981137b19371",
        "2b4c4fc9babd751ff0cfdc7f04e671aa8d1d2ced0051825380711c1cbe2a8d2a",
    ),
    (669, 666),
    "3 rows repeat a molecule.",
)

_add(
    "cyp2d6_substrate_carbonmangels",
    "pr_auc",
    "Whether cytochrome P450 2D6 metabolises a drug.",
    "Carbon-Mangels and Hutter, Mol. Inf. 30 (2011) 885",
    (
        "4257760cccc9f903d230708192afb399e56b78d8f1c6f2f4569b65b489bcd693",
        "18b78567d7c0a0add39dae9e329c71c338db7666be42d3e81729ed3edb74d0da",
    ),
    (667, 663),
    "3 rows repeat a molecule, one of them with the other label.",
)

_add(
    "cyp3a4_substrate_carbonmangels",
    "roc_auc",
    "Whether cytochrome P450 3A4 metabolises a drug.",
    "Carbon-Mangels and Hutter, Mol. Inf. 30 (2011) 885",
    (
        "f34d74d38b59100f8218645120ce028a91383bfa318cbb951a33418ba42eddc3",
        "6a1a41df7eacb6f7a98a9cf81d9117ec0d74b1f4ca5d3930579dcc8b861772f7",
    ),
    (670, 667),
    "3 rows repeat a molecule.",
)

_add(
    "half_life_obach",
    "spearman",
    "Half-life in the human body, hours.",
    "Obach et al., Drug Metab. Dispos. 36 (2008) 1385",
    (
        "31ad09226c2d3a86ac5dd312f5f93aa1ba5153c45d0aaf90c8e2c69ba6d46d37",
        "ec68952751525bee83c40ad23be420da183b787b04319cbbf9877d3a2eb02316",
    ),
    (667, 665),
    "2 rows repeat a molecule; values span four orders of magnitude.",
)

_add(
    "clearance_hepatocyte_az",
    "spearman",
    "Clearance by hepatocytes, microlitres per minute and million cells.",
    "AstraZeneca deposit in ChEMBL (CHEMBL3301361)",
    (
        "dcb4e04024bee243ff4c55c182bd450b89e43a605f9947d57417a2fcd11a2687",
        "23e061c3fdc2627707c099be6a3082a55fd928a1f19e555f6f4f4b734ed8d314",
    ),
    (1213, 941),
    "193 molecules occur twice, with different values: 79 that differ by more than half a standard "
    "deviation are dropped; values are cut at 3 and 150.",
)

_add(
    "clearance_microsome_az",
    "spearman",
    "Clearance by liver microsomes, millilitres per minute and g.",
    "AstraZeneca deposit in ChEMBL (CHEMBL3301361)",
    (
        "736ffa13d70b38d68ab0b956200292084dcbd5e970e8d72a62eb715d8763b660",
        "832c4479f007ea7b11a41301d20e55e226aa5f52ebbaa1ca7783854f64e4fdf5",
    ),
    (1102, 1102),
    "Values are cut at 3 and 150.",
)

_add(
    "ld50_zhu",
    "mae",
    "Acute oral toxicity in rats, -log10 of the lethal dose in mol per kg.",
    "Zhu et al., Chem. Res. Toxicol. 22 (2009) 1913",
    (
        "0624ac7c370393c8a2dc0398acc83aeb624e2589bbde74cf58a2b3ebb3bb3290",
        "8a3fcc8311d78acd05594ffff6abcb610610f6ed15a60f8eb01dc3677f9b4fbe",
    ),
    (7385, 7333),
    "43 rows repeat a molecule; 9 molecules whose values differ too much are dropped.",
)

_add(
    "herg",
    "roc_auc",
    "Whether a molecule blocks the potassium channel hERG.",
    "Wang et al., Mol. Pharm. 13 (2016) 2855",
    (
        "22fc4c4b6079f72b392cf2ae675d99c6927a6351377ee50c4f9f98c586a3f206",
        "14277bd932dce885e2f7a8d706effb455816f983e05b230f4f1c9590eb6c4248",
    ),
    (655, 645),
    "7 rows repeat a molecule, and 3 molecules have both labels; 12 records are salts or mixtures.",
)

_add(
    "ames",
    "roc_auc",
    "Whether a molecule causes mutations in the Ames test.",
    "Xu et al., J. Chem. Inf. Model. 52 (2012) 2840",
)

_add(
    "dili",
    "roc_auc",
    "Whether a drug can injure the liver.",
    "Xu et al., J. Chem. Inf. Model. 55 (2015) 2085",
)
