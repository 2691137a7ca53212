"""What submissions say of themselves on the page: read from their files, of which nothing is run."""

import ast
import hashlib
import io
import re
import tokenize
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path

from leaderboard.folder import SOURCE, SOURCE_BYTES, Submission, found, read_file, read_manifest
from leaderboard.page.zoo import Described
from molecules.errors import MolmisError

#: Most signs of a formula that are shown.
_SIGNS = 300
#: Parts of a statement that are looked at; a formula is one text, or a few in a row.
_PARTS = 64
#: How a text of Python begins, that of bytes and that with places to be filled in excepted.
_PLAIN_TEXT = re.compile(r"[rRuU]?['\"]")
_LAYOUT = (tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
_READ = "The file of a submission is read for this page, and not run."


def submitted(submissions: Path, names: Collection[str], *, trials: bool = False) -> dict[str, Described]:
    """Return what submissions say of themselves, by name.

    Parameters
    ----------
    submissions : Path
        Folder of all submissions; it need not be there.
    names : collection of str
        Those that are wanted; one that is not there, or whose file is not the one that was submitted, is left
        out.
    trials : bool
        Whether those of trials are wanted, instead of those for the board.
    """
    told = {}
    for folder in found(submissions, trials=trials):
        if folder.name not in names:
            continue
        try:
            submission = read_manifest(folder)
            source = read_file(folder / SOURCE, SOURCE_BYTES)
        except MolmisError:  # the board has said so
            continue
        if submission.name == folder.name and _is_that_of(submission, source):
            told[submission.name] = _described(submission, source)
    return told


def _is_that_of(submission: Submission, source: bytes) -> bool:
    return hashlib.sha256(source).hexdigest() == submission.manifest.source.sha256


def _described(submission: Submission, source: bytes) -> Described:
    """Return what is told of a submission."""
    formula = formula_of(source)
    if not formula:
        return Described(remark=f'No formula given: no line of its file says FORMULA = "...". {_READ}')
    return Described(
        formula=formula,
        reference=submission.manifest.about.paper or "",
        text="As its author gives it.",
        remark=f"No curve. {_READ}",
    )


def formula_of(source: bytes) -> str:
    """Return the text that a file gives to ``FORMULA`` at its outermost level, as one short line.

    Nothing is run, and no tree is made of the file: a stranger's could make that take minutes or gigabytes.

    Parameters
    ----------
    source : bytes
        The file.

    Returns
    -------
    str
        Empty where the last of these lines gives no plain text, there is none, or the file is no Python.
    """
    formula = ""
    try:
        for parts in _statements(source):
            if parts[0].string == "FORMULA":
                formula = _text(parts)
    except (tokenize.TokenError, SyntaxError, ValueError):
        return ""
    line = " ".join(formula.split())
    line = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    return line if len(line) <= _SIGNS else line[: _SIGNS - 1] + "…"


def _statements(source: bytes) -> Iterator[list[tokenize.TokenInfo]]:
    """Yield the beginning of every statement that stands at the outermost level of a file."""
    depth, parts = 0, list[tokenize.TokenInfo]()
    for part in tokenize.tokenize(io.BytesIO(source).readline):
        if part.type in _LAYOUT:
            depth += (part.type == tokenize.INDENT) - (part.type == tokenize.DEDENT)
        elif part.type in (tokenize.NEWLINE, tokenize.ENDMARKER) or part.string == ";":
            if parts and not depth:
                yield parts
            parts = []
        elif len(parts) <= _PARTS:  # one more than are taken, which tells that there are more
            parts.append(part)


def _text(parts: list[tokenize.TokenInfo]) -> str:
    """Return the text that a statement gives to the name it begins with; empty where it is no plain text."""
    texts = [part.string for part in parts]
    if "=" not in texts or len(texts) > _PARTS:
        return ""
    value = parts[texts.index("=") + 1 :]
    plain = [part.type == tokenize.STRING and _PLAIN_TEXT.match(part.string) for part in value]
    if not all(good or part.string in "()" for good, part in zip(plain, value, strict=True)):
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of backslashes that stand for themselves
        found = ast.literal_eval(" ".join(part.string for part in value))
    return found if isinstance(found, str) else ""
