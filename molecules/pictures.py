"""Pictures of molecules: a grid with a legend under each."""

from collections.abc import Sequence
from typing import Any

from rdkit import rdBase
from rdkit.Chem.Draw import rdMolDraw2D

from molecules.parse import as_molecule

#: Width and height of one molecule, in pixels, its legend included.
PANEL = (420, 340)
#: Share of the height that the legend takes, and its largest letters.
_LEGEND_SHARE, _LEGEND_SIZE = 0.2, 20


def molecule_grid(smiles: Sequence[str], legends: Sequence[str], columns: int = 5) -> bytes:
    """Draw molecules in rows, row by row; equal input gives equal bytes.

    Parameters
    ----------
    smiles : sequence of str
        SMILES that RDKit parses; at least one.
    legends : sequence of str
        What stands under each, in one or two lines.
    columns : int
        Molecules in a row.

    Returns
    -------
    bytes
        A PNG picture.

    Raises
    ------
    DataError
        If RDKit refuses a SMILES.
    """
    columns = min(columns, len(smiles))
    rows = -(-len(smiles) // columns)
    with rdBase.BlockLogs():
        drawing = rdMolDraw2D.MolDraw2DCairo(columns * PANEL[0], rows * PANEL[1], *PANEL)
        options: Any = drawing.drawOptions()
        options.legendFraction, options.legendFontSize = _LEGEND_SHARE, _LEGEND_SIZE
        options.padding = 0.06
        options.drawMolsSameScale = False  # a small molecule beside a large one must be read too
        mols = [rdMolDraw2D.PrepareMolForDrawing(as_molecule(text, row)) for row, text in enumerate(smiles)]
        drawing.DrawMolecules(mols, legends=list(legends))
        drawing.FinishDrawing()
    return bytes(drawing.GetDrawingText())
