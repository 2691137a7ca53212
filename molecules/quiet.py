"""Silence for imports and calls that print what nobody asked for."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep standard output, standard error, logging, warnings and RDKit's log silent inside the block.

    Meant for DeepChem, whose import alone prints some twenty lines about optional packages. Exceptions
    pass through unchanged: only chatter is dropped. Standard output is the process's, so a block should
    hold the noisy call and nothing else.
    """
    from rdkit import rdBase  # here, so that modules which may need silence stay light

    level = logging.root.manager.disable
    nowhere = io.StringIO()
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
        rdBase.BlockLogs(),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)
