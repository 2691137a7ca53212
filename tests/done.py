"""What a command did."""

from dataclasses import dataclass


@dataclass
class Done:
    """Its exit code, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str
