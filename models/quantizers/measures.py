"""What a quantizer did to each matrix: zeros, entropy bits, levels in use, relative error.

Every function keeps the leading axes (runs, snapshots) and loops over blocks of matrices at most, so that
memory stays bounded whatever the size of the bank.
"""

import torch
from torch import Tensor

from models.quantizers.parts import dequantize_in_parts
from models.quantizers.quantized import Quantized

#: Codes (and bins) counted at once: 64-bit integers of this many take 128 MB.
BLOCK = 1 << 24


def histogram(quantized: Quantized) -> Tensor:
    """Return how often each code occurs in each matrix, int64 of shape (..., L).

    Raises
    ------
    ValueError
        If the weights have no levels (float32).
    """
    bins = quantized.alphabet
    if bins is None:
        raise ValueError("float32 weights have no levels, so there is no histogram of their codes")
    lead = quantized.codes.shape[:-2]
    flat = quantized.codes.reshape(lead.numel(), quantized.codes.shape[-2:].numel())
    step = max(1, BLOCK // max(flat.shape[1], bins))
    counts = flat.new_empty((len(flat), bins), dtype=torch.int64)
    for start in range(0, len(flat), step):
        block = flat[start : start + step].long()
        block += bins * torch.arange(len(block), device=block.device)[:, None]  # each matrix its own bins
        counts[start : start + step] = torch.bincount(block.flatten(), minlength=bins * len(block)).reshape(
            -1, bins
        )
    return counts.reshape(*lead, bins)


def used_levels(quantized: Quantized) -> Tensor:
    """Return the number of levels that each matrix uses, int64 of shape (...,)."""
    return (histogram(quantized) > 0).sum(dim=-1)


def zeros(quantized: Quantized) -> Tensor:
    """Return the share of each matrix's dequantized weights that is exactly zero, float64 of shape (...,)."""
    return (dequantize_in_parts(quantized) == 0).mean(dim=(-2, -1), dtype=torch.float64)


def entropy_bits(quantized: Quantized) -> Tensor:
    """Return the entropy bits per weight of each matrix, float64 of shape (...,).

    The Shannon entropy (base 2) of the matrix's own histogram of codes, which an ideal entropy coder of
    independent codes reaches, and the bits stored beside the codes, both spread over the weights. For float32
    weights: 32.
    """
    if quantized.alphabet is None:
        return torch.full(quantized.lead, 32.0, dtype=torch.float64, device=quantized.codes.device)
    codes = quantized.codes.shape[-2:].numel()
    share = histogram(quantized).double() / codes
    entropy = -torch.xlogy(share, share).sum(dim=-1) / torch.log(share.new_tensor(2.0))
    return (entropy * codes + 8.0 * quantized.side_bytes()) / quantized.weights


def relative_error(weight: Tensor, quantized: Quantized) -> Tensor:
    """Return ``||W - Q(W)|| / ||W||`` (Frobenius) of each matrix, float64 of shape (...,).

    A zero matrix has error 0 if it stays zero, and infinity if it does not.

    Parameters
    ----------
    weight : Tensor of float32, shape (..., out, in)
        The weights before quantization.
    quantized : Quantized
        The same weights after it.
    """
    size = torch.linalg.vector_norm(weight.detach(), dim=(-2, -1), dtype=torch.float64)
    change = weight.detach() - quantized.dequantize()
    error = torch.linalg.vector_norm(change, dim=(-2, -1), dtype=torch.float64)
    return torch.where(error == 0, 0.0, error / size)
