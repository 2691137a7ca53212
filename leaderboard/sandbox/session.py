"""The processes of one submission, one after the other: matrices in, tested answers out.

Matrices go to a process one by one and in an order that it cannot know. Some of them are asked for again, in
another order, from a fresh process: what came back the first time must come back bit by bit. The fresh
process then takes the place of the old one, so that nothing is kept for long.
"""

import hashlib
import math
import random
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from leaderboard.sandbox.containment import Containment, bubblewrap, command, environment, readable
from leaderboard.sandbox.frames import Array, Frame, encode
from leaderboard.sandbox.limits import PROTOCOL, Limits, SandboxError, plain, size
from leaderboard.sandbox.places import places
from leaderboard.sandbox.process import FaultError, Process
from leaderboard.sandbox.rebuild import Answer, WrongError, believed
from leaderboard.sandbox.source import Source
from molecules.errors import MolmisError

#: Share of the matrices that are asked for again, and how many are waited for before a process is started.
REPEATED, WAITING = 0.02, 64
#: Bytes that an answer may have, beside so many for every weight.
_ANSWER, _EACH = 1 << 20, 24
_NAME = re.compile(r"[\w.+-]{1,60}")


@dataclass(frozen=True)
class Facts:
    """What a submission says of itself.

    Attributes
    ----------
    name : str
        What the tables call it.
    bits : float
        Nominal bits per weight.
    scaled : bool
        Whether it promises Q(a w) = a Q(w) for a > 0.
    formula, reference : str
        The definition in one line, and where it comes from.
    """

    name: str
    bits: float
    scaled: bool
    formula: str
    reference: str


@dataclass
class _Asked:
    """A matrix that is to be asked for again, and a hash of what came back."""

    matrix: Array
    answer: str = field(repr=False)


class Session:
    """The processes of one submission.

    Parameters
    ----------
    source : Source
        Its file.
    member : str or None
        Which of its quantizers; None where it has one.
    limits : Limits
        What it may use.
    containment : Containment
        What is around its processes.
    """

    def __init__(self, source: Source, member: str | None, limits: Limits, containment: Containment) -> None:
        self.source, self.limits, self.containment = source, limits, containment
        self.walls: dict[str, Any] = {}
        self.matrices = self.repeated = 0
        self.output = ""
        self._member, self._order = member, random.SystemRandom()
        self._spent = self._old = 0.0
        self._failed: SandboxError | None = None
        self._closed = False
        self._asked: list[_Asked] = []
        self._process, self.facts = self._start()

    def answers(self, matrices: Sequence[Array]) -> list[Answer]:
        """Return what the submission makes of float32 matrices of one shape (out, in), in their order.

        Raises
        ------
        SandboxError
            If it did something else; the first time that ended its process stands for all later ones.
        """
        if self._failed is not None:
            raise self._failed
        if self._closed:
            raise MolmisError(f"the sandbox of {self.source.file} is closed; make another one")
        order = list(range(len(matrices)))
        self._order.shuffle(order)
        again = set(order[: math.ceil(len(order) * REPEATED)])
        found: dict[int, Answer] = {}
        for place in order:
            frame = self._ask(matrices[place])
            found[place] = self._tested(frame, matrices[place])
            if place in again:
                self._asked.append(_Asked(matrices[place].copy(), _hash(frame)))
        self.matrices += len(order)
        if len(self._asked) >= WAITING:
            self.settle()
        return [found[place] for place in range(len(matrices))]

    def settle(self) -> None:
        """Ask a fresh process for what is to be asked for again, in another order.

        Raises
        ------
        SandboxError
            If anything comes back otherwise.
        """
        asked, self._asked = self._asked, []
        if not asked or self._failed is not None or self._closed:
            return
        self._renew()
        self._order.shuffle(asked)
        for one in asked:
            if _hash(self._ask(one.matrix)) != one.answer:
                raise self._fail(
                    f"gave another result{_where(one.matrix)} in a fresh process: it draws numbers, looks at "
                    "the clock, or keeps something from one matrix to the next"
                )
        self.repeated += len(asked)

    def close(self) -> None:
        """End the process; nothing can be asked after that."""
        self._closed = True
        self._stop()

    def _stop(self) -> None:
        self.output = self._process.printed or self.output
        self._process.close()

    def record(self) -> dict[str, Any]:
        """Return what must be known of how the submission was run, JSON-able."""
        return {
            "protocol": PROTOCOL,
            "source": self.source.sha256,
            "containment": str(self.containment),
            "bubblewrap": bubblewrap().version if self.containment is Containment.BUBBLEWRAP else "",
            **self.walls,
            "limits": asdict(self.limits),
            "matrices": self.matrices,
            "repeated": self.repeated,
        }

    @property
    def failed(self) -> SandboxError | None:
        """What ended it, if anything has."""
        return self._failed

    def _start(self) -> tuple[Process, Facts]:
        """Start a process, and let it load the file."""
        process = Process(command(self.containment), environment(self.containment), self.limits)
        given = places()
        hello = {
            "file": self.source.file,
            "member": self._member,
            "limits": asdict(self.limits),
            **readable(given),
        }
        message = encode(hello, {"source": np.frombuffer(self.source.content, np.uint8)})
        try:
            ready = process.ask(message, self.limits.start, 0, " before the submission was loaded")
        except FaultError as fault:
            raise MolmisError(f"the sandbox cannot be started: it {fault} ({process.printed})") from None
        self.walls = {
            "seccomp": bool(ready.head["seccomp"]),
            "landlock": int(ready.head["landlock"]),
            "torch": bool(ready.head["torch"]),
        }
        self._old = 0.0
        self._process = process
        try:
            return process, self._said(self._send(encode({"say": "load"}), " while it was loaded", 0).head)
        except SandboxError:
            self.close()
            raise

    def _renew(self) -> None:
        """Take a fresh process, which must say of itself what the first one said."""
        self._stop()
        self._process, facts = self._start()
        if facts != self.facts:
            raise self._fail("says something else of itself in every process")

    def _ask(self, matrix: Array) -> Frame:
        """Return the answer to a matrix."""
        if self._old > max(self.limits.processor - self.limits.seconds, self.limits.processor / 2):
            self._renew()
        if self._spent > self.limits.total:
            raise self._fail(f"took longer than {self.limits.total:g} s for all matrices")
        number = self._order.getrandbits(31)
        message = encode({"say": "quantize", "number": number}, {"matrix": matrix})
        frame = self._send(message, _where(matrix), _ANSWER + _EACH * matrix.size)
        if frame.head.get("say") != "answer" or frame.head.get("number") != number:
            raise self._fail(f"wrote something other than an answer to the sandbox's pipe{_where(matrix)}")
        return frame

    def _send(self, message: bytes, where: str, limit: int) -> Frame:
        """Return the answer to a message; what it did instead is an error."""
        begun = time.monotonic()
        try:
            frame = self._process.ask(message, self.limits.seconds, limit, where)
        except FaultError as fault:
            raise self._fail(str(fault)) from None
        finally:
            taken = time.monotonic() - begun
            self._spent, self._old = self._spent + taken, self._old + taken
        say, deed = frame.head.get("say"), plain(str(frame.head.get("deed", "")))
        if say == "refused":
            raise self._fail(f"{deed}{where}")
        if say == "error":
            if frame.head.get("memory") is True:
                deed = f"asked for more than {size(self.limits.memory)} of memory"
            raise SandboxError(self.source.file, f"{deed}{where}")
        return frame

    def _tested(self, frame: Frame, matrix: Array) -> Answer:
        out, width = matrix.shape
        try:
            return believed(frame, (out, width), self.facts.bits)
        except WrongError as wrong:
            raise SandboxError(self.source.file, f"{plain(str(wrong))}{_where(matrix)}") from None

    def _fail(self, deed: str) -> SandboxError:
        """Return the error that ends the submission, after ending its process."""
        self._failed = SandboxError(self.source.file, deed)
        self.close()
        return self._failed

    def _said(self, head: dict[str, Any]) -> Facts:
        """Return what a submission says of itself, if it may be shown and is what the board takes."""
        told = head.get("facts")
        if head.get("say") != "loaded" or not isinstance(told, dict):
            raise self._fail("wrote something other than an answer to the sandbox's pipe while it was loaded")
        name, bits = told.get("name"), told.get("bits")
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise self._fail(
                f"calls itself {plain(str(name), 60)!r}; a name has at most 60 letters, digits, '.-+_'"
            )
        if not isinstance(bits, float | int) or not 0 < bits <= 32:
            raise self._fail(
                f"says {plain(str(bits), 20)} bits a weight; more than 0 and at most 32 are allowed"
            )
        if told.get("calibration", "none") != "none":
            raise self._fail("looks at calibration records, and submissions are given weights only")
        if told.get("placed", False):
            raise self._fail("treats layers by their place, and submissions are given single matrices only")
        formula, reference = (plain(str(told.get(key) or "")) for key in ("formula", "reference"))
        return Facts(
            name, float(bits), told.get("scaled") is True,
            formula or "a function of one matrix", reference or "given by its author",
        )  # fmt: skip


def _where(matrix: Array) -> str:
    return f" on a {matrix.shape[0]} x {matrix.shape[1]} matrix"


def _hash(frame: Frame) -> str:
    """Return a hash of an answer: equal if and only if it is the same bit by bit."""
    told = {name: value for name, value in frame.head.items() if name != "number"}
    return hashlib.sha256(encode(told, frame.arrays)).hexdigest()
