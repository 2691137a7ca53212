"""A submitted quantizer as the benchmark sees it: like any other, while its code runs somewhere else."""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from torch import Tensor

from leaderboard.sandbox.containment import Containment, chosen
from leaderboard.sandbox.limits import PROTOCOL, Limits, SandboxError, plain
from leaderboard.sandbox.rebuild import WrongError, together
from leaderboard.sandbox.session import Session
from leaderboard.sandbox.source import read_source
from models.quantizers.base import Quantizer, check_weight
from models.quantizers.quantized import Quantized
from molecules.cache import content_key


@dataclass(frozen=True)
class SandboxedQuantizer(Quantizer):
    """A quantizer whose code runs in processes of its own; see ``docs/sandbox.md``.

    It is made by :func:`sandboxed`, and closed after use, or used in a ``with`` statement: what was put aside
    to be asked for again is asked for at its end. Its process ends with the thread that has made it.

    Parameters
    ----------
    name : str
        What the tables call it.
    bits : float
        Nominal bits per weight: no matrix may come back with more than 2^bits levels.
    scaled : bool
        Whether it promises Q(a w) = a Q(w) for a > 0.
    source : str
        SHA-256 of its file.
    code : str
        Hash of the code of the quantizers here, where it uses that; else empty.
    session : Session
        Its processes.
    formula, reference : str
        The definition in one line, and where it comes from.
    """

    name: str
    bits: float
    scaled: bool
    source: str = field(repr=False)  # it would weigh in every file that names its quantizer
    code: str = field(repr=False)
    session: Session = field(repr=False, compare=False)
    formula: str = field(repr=False)  # type: ignore[misc]
    reference: str = field(repr=False)  # type: ignore[misc]
    _common: dict[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    forks = False

    @property
    def adaptive(self) -> bool:
        """What ``scaled`` says."""
        return self.scaled

    def identity(self) -> str:
        """Return what its figures depend on: its file, what it says of itself, and how it is asked."""
        return f"{self!r} source {self.source} code {self.code or 'none'} protocol {PROTOCOL}"

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, float32 of shape (..., out, in), by itself.

        Raises
        ------
        SandboxError
            If the submission did something else; its message says what, in one sentence.
        ValueError
            If ``weight`` is nothing that a quantizer can take.
        """
        weight = check_weight(weight)
        shape = weight.shape[-2:]
        matrices = list(np.ascontiguousarray(weight.cpu().numpy()).reshape(-1, *shape))
        answers = self.session.answers(matrices)
        try:
            return together(answers, weight, self._common)
        except WrongError as wrong:
            deed = f"{plain(str(wrong))} on a {shape[0]} x {shape[1]} matrix"
            raise SandboxError(self.session.source.file, deed) from None

    def settle(self) -> None:
        """Ask a fresh process again for some of the matrices; see :meth:`Session.settle`.

        Raises
        ------
        SandboxError
            If anything comes back otherwise.
        """
        self.session.settle()

    def record(self) -> dict[str, Any]:
        """Return how it was run: containment, walls of the kernel, limits, hash of the file; JSON-able."""
        return self.session.record()

    def close(self) -> None:
        """End its process."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            self.close()


def sandboxed(
    path: Path,
    member: str | None = None,
    limits: Limits | None = None,
    containment: Containment | None = None,
) -> SandboxedQuantizer:
    """Return the quantizer of a submitted file, which is not run in this process.

    Parameters
    ----------
    path : Path
        The file.
    member : str or None
        Which of its quantizers; None where it has one.
    limits : Limits or None
        What it may use; None for the usual.
    containment : Containment or None
        What is around its processes; None for the strongest that works here.

    Raises
    ------
    SandboxError
        If it is no file that is taken, or does something that it must not when it is loaded.
    MolmisError
        If the containment does not work here.
    """
    limits = limits or Limits()
    around = chosen(containment)
    source = read_source(path, limits)
    session = Session(source, member, limits, around)
    facts = session.facts
    code = _zoo_key() if session.walls["torch"] else ""
    return SandboxedQuantizer(
        facts.name, facts.bits, facts.scaled, source.sha256, code, session, facts.formula, facts.reference
    )


def _zoo_key() -> str:
    """Return a hash of the code of the quantizers, which a submission that imports it depends on."""
    folder = Path(__file__).resolve().parents[2] / "models" / "quantizers"
    return content_key(*(path.read_bytes() for path in sorted(folder.glob("*.py"))))
