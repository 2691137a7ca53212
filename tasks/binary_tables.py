"""Tables that are not written row by row: Parquet, and SD files with a structure and properties each."""

import io
import re
from pathlib import Path

from molecules.errors import DataError

#: What the column of the structures of an SD file is called; no property is.
STRUCTURES = "<structure>"
_PROPERTY = re.compile(r"^>.*?<([^<>]+)>")

#: Column names, and one entry a column in every row.
Content = tuple[tuple[str, ...], list[list[str]]]


def parquet_table(path: Path, content: bytes) -> Content:
    """Return the columns of a Parquet file as text; what is missing is empty, and lists are not read.

    Parameters
    ----------
    path : Path
        Where it is, for messages.
    content : bytes
        What it holds.

    Raises
    ------
    DataError
        If it is damaged or no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no details"
        raise DataError(f"{path} is damaged or no Parquet file ({reason}); write it again") from error
    columns = []
    for entries in table.columns:  # by place: names may repeat
        if pa.types.is_nested(entries.type):  # no label, no SMILES, and perhaps large: an embedding
            columns.append([f"<{entries.type}>"] * len(entries))
        else:
            columns.append(["" if entry is None else str(entry).strip() for entry in entries.to_pylist()])
    return tuple(map(str, table.column_names)), [list(row) for row in zip(*columns, strict=True)]


def sd_table(path: Path, text: str) -> Content:
    """Return the structures of an SD file as SMILES, and its properties.

    A structure that RDKit refuses keeps its row, with an entry that is no SMILES: cleaning counts it.

    Parameters
    ----------
    path : Path
        Where it is, for messages.
    text : str
        What it holds.

    Returns
    -------
    header, rows
        Column ``STRUCTURES``, then every property that occurs; empty where a molecule does not have it.

    Raises
    ------
    DataError
        If there is no molecule in it, or a molecule has a property twice.
    """
    from rdkit import Chem, rdBase

    from molecules.parse import canonical

    blocks = [block for block in re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE) if block.strip()]
    if not any("M  END" in block for block in blocks):
        raise DataError(
            f"{path} holds no molecule (no line 'M  END'); export it as an SD file with structures"
        )
    smiles, properties = [], []
    with rdBase.BlockLogs():
        for number, block in enumerate(blocks, start=1):
            structure, _, rest = block.partition("M  END")
            mol = Chem.MolFromMolBlock(f"{structure}M  END\n")
            smiles.append(f"structure {number} cannot be read" if mol is None else canonical(mol))
            properties.append(_properties(path, number, rest))
    names = tuple(dict.fromkeys(name for held in properties for name in held))
    rows = [
        [text, *(held.get(name, "") for name in names)] for text, held in zip(smiles, properties, strict=True)
    ]
    return (STRUCTURES, *names), rows


def _properties(path: Path, number: int, text: str) -> dict[str, str]:
    """Return the properties of one molecule: a line ``> <name>``, then lines up to a blank one."""
    held: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        found = _PROPERTY.match(line)
        if found and not name:
            name = found[1].strip()
            if name in held:
                raise DataError(f"{path}, molecule {number} has the property {name!r} twice; leave one out")
            held[name] = ""
        elif not line.strip():
            name = ""
        elif name:
            held[name] = f"{held[name]} {line.strip()}".strip()
    return held
