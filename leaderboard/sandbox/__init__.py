"""The sandbox: a stranger's quantizer as one that the benchmark can use, while its code runs elsewhere.

See ``docs/sandbox.md`` for what is guaranteed.
"""

from leaderboard.sandbox.admission import admit
from leaderboard.sandbox.containment import Containment
from leaderboard.sandbox.limits import Limits, SandboxError
from leaderboard.sandbox.quantizer import SandboxedQuantizer, sandboxed

__all__ = ["Containment", "Limits", "SandboxError", "SandboxedQuantizer", "admit", "sandboxed"]
