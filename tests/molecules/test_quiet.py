import logging
import subprocess
import sys
import warnings

import pytest
from rdkit import Chem

from molecules.quiet import quiet


def _chatter() -> None:
    print("to standard output")
    print("to standard error", file=sys.stderr)
    logging.getLogger("somebody").error("to the log")
    warnings.warn("a warning", stacklevel=1)
    Chem.MolFromSmiles("C1CC")  # RDKit reports the open ring


def test_nothing_is_heard_inside_and_everything_after(capfd):
    with quiet():
        _chatter()
    assert capfd.readouterr() == ("", "")
    with pytest.warns(UserWarning, match="a warning"):
        _chatter()
    heard = capfd.readouterr()
    assert "to standard output" in heard.out
    assert "to standard error" in heard.err


def test_errors_pass_and_the_log_is_restored():
    before = logging.root.manager.disable
    with pytest.raises(ValueError, match="kept"), quiet():
        raise ValueError("kept")
    assert logging.root.manager.disable == before


@pytest.mark.slow
def test_the_first_import_of_deepchem_is_silent():
    code = "from molecules.quiet import quiet\nwith quiet():\n    import deepchem\nprint(deepchem.__name__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("deepchem\n", "")
