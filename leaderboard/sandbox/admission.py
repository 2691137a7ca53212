"""What a submission must pass before anything is measured with it."""

import torch

from leaderboard.sandbox.limits import SandboxError, plain
from leaderboard.sandbox.quantizer import SandboxedQuantizer
from models.quantizers.contract import check


def admit(quantizer: SandboxedQuantizer) -> list[str]:
    """Hold a submission to the contract of quantizers, and to being one; return what a reader must know.

    Beside the checks of :func:`models.quantizers.contract.check`, from which it cannot except itself: results
    depend on the weights, more than one level is used, and a fresh process gives the same.

    Raises
    ------
    SandboxError
        With the first thing that does not hold, in one sentence.
    """
    file = quantizer.session.source.file
    first, second = (quantizer.quantize(weight) for weight in _two())
    if bool((first.codes == first.codes.flatten()[0]).all()):
        raise SandboxError(file, f"returned a single level for all weights of {_SHAPE}")
    if torch.equal(first.dequantize(), second.dequantize()):
        raise SandboxError(file, "returned the same weights for two different matrices of 32 x 40")
    findings = check(quantizer)
    if quantizer.session.failed is not None:
        raise quantizer.session.failed
    quantizer.settle()
    for finding in findings:
        if finding.refused:
            said = finding.message.replace(f"raised {SandboxError.__name__}: {file} ", "")
            raise SandboxError(file, f"breaks the contract, {finding.check}: {plain(said)}")
    return [plain(finding.message) for finding in findings]


#: What the first two matrices are.
_SHAPE = "a 32 x 40 matrix"


def _two() -> tuple[torch.Tensor, torch.Tensor]:
    """Return two random matrices."""
    generator = torch.Generator().manual_seed(815)
    first, second = torch.randn((2, 32, 40), generator=generator) * 0.1
    return first, second
