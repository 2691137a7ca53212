"""The file of a submission: read once, as bytes, and never run here."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from leaderboard.sandbox.limits import Limits, SandboxError, plain, size


@dataclass(frozen=True)
class Source:
    """What a file holds.

    Attributes
    ----------
    file : str
        Its name, without the folder.
    content : bytes
        UTF-8 text.
    """

    file: str
    content: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def read_source(path: Path, limits: Limits) -> Source:
    """Return the content of a submitted file.

    What is opened is looked at, and not what stands under the name a moment before or after.

    Raises
    ------
    SandboxError
        If it is a symbolic link, no ordinary file, too long, no UTF-8, or cannot be read.
    """
    name = plain(path.name, 100)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SandboxError(name, "is a symbolic link; give the file itself") from None
        raise SandboxError(name, f"cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise SandboxError(name, "is no ordinary file")
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(limits.source + 1)
    if len(content) > limits.source:
        raise SandboxError(name, f"is longer than {size(limits.source)}")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise SandboxError(name, f"is no UTF-8 text (byte {error.start})") from None
    if not name.endswith(".py"):
        raise SandboxError(name, "is no Python file; its name must end in .py")
    return Source(name, content)
