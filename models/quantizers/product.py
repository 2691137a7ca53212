"""Product quantization: pieces of rows, each replaced by the nearest of some vectors of the matrix."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, bits_of_levels, check_seed, check_weight
from models.quantizers.blocks import divisor
from models.quantizers.composed import Vectors
from models.quantizers.quantized import Quantized, code_dtype

#: Steps of Lloyd's algorithm.
STEPS = 25
#: Distances that are computed at once: two megabytes of them.
DISTANCES = 1 << 19


@FAMILIES.register("pq")
@dataclass(frozen=True)
class ProductQuantizer(Quantizer):
    """Cut rows into pieces of ``dim`` weights; k-means of the pieces of a matrix gives its codebook.

    A row that does not divide is filled up with zeros. Codebooks start at pieces drawn at random, the same
    places in every matrix of a shape, and are improved by Lloyd's algorithm. A matrix with fewer pieces than
    ``codes`` keeps all of them.

    Relative error on standard normal weights: ``pq-2x16`` 0.329, ``pq-4x16`` 0.582, ``pq-4x64`` 0.416.

    Parameters
    ----------
    dim : int
        Weights in a piece, 1 to 64.
    codes : int
        Vectors in a codebook, 2 to 65,536.
    seed : int
        Of the start.
    """

    dim: int = 4
    codes: int = 16
    seed: int = 0

    formula = "the nearest of `codes` vectors to every piece of `dim` weights of a row; k-means of the pieces"
    reference = "Jegou et al. 2011; for networks Gong et al. 2014, arXiv 1412.6115"
    adaptive = True
    exceptions = {  # noqa: RUF012
        "idempotent": "k-means from another start finds another optimum",
        "scale": "sums over pieces are rounded",
    }

    def __post_init__(self) -> None:
        if not (isinstance(self.dim, int) and 1 <= self.dim <= 64):
            raise ValueError(f"dim must be an integer from 1 to 64, not {self.dim!r}")
        if not (isinstance(self.codes, int) and 2 <= self.codes <= 65_536):
            raise ValueError(f"codes must be an integer from 2 to 65536, not {self.codes!r}")
        check_seed(self.seed)

    @property
    def bits(self) -> float:  # type: ignore[override]
        """Bits of a code, by weight; the codebook comes on top."""
        return bits_of_levels(self.codes) / self.dim

    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, shape (..., out, in), to pieces of its own codebook."""
        weight = check_weight(weight)
        out, width = weight.shape[-2:]
        count = -(-width // self.dim)
        padded = torch.nn.functional.pad(weight, (0, count * self.dim - width))
        pieces = padded.reshape(-1, out * count, self.dim)
        scale = divisor(pieces.abs().amax((-2, -1), keepdim=True))
        # so many matrices at once that the distances of all pieces to all vectors stay in a core's cache
        some = max(1, DISTANCES // (out * count * self.codes))
        found = [_kmeans(unit, self.codes, self.seed) for unit in torch.split(pieces / scale, some)]
        books, codes = (torch.cat(parts) for parts in zip(*found, strict=True))
        lead = weight.shape[:-2]
        narrow = codes.to(code_dtype(self.codes)).reshape(*lead, out, count)
        return Vectors(narrow, (books * scale).reshape(*lead, self.codes, self.dim), width)


def _kmeans(pieces: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the codebooks (M, count, d) of the pieces (M, P, d) of matrices, and the codes (M, P)."""
    matrices, size, _ = pieces.shape
    if size <= count:
        missing = pieces[:, -1:].expand(-1, count - size, -1)
        return torch.cat([pieces, missing], dim=1), torch.arange(size, device=pieces.device).repeat(
            matrices, 1
        )
    drawn = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count]
    books = pieces[:, drawn.to(pieces.device)].clone()
    codes = _assign(pieces, books)
    going = torch.arange(matrices, device=pieces.device)  # matrices whose codes still change
    for _ in range(STEPS):
        books[going] = own = _means(pieces, codes[going], books[going])
        moved = _assign(pieces, own)
        changed = (moved != codes[going]).any(-1)
        codes[going] = moved
        if not bool(changed.all()):
            going, pieces = going[changed], pieces[changed]
        if not len(going):
            break
    return books, codes


def _means(pieces: Tensor, codes: Tensor, books: Tensor) -> Tensor:
    """Return the means of the pieces of every code; a vector of no piece stays where it is."""
    matrices, count, dim = books.shape
    place = (codes + count * torch.arange(matrices, device=codes.device)[:, None]).flatten()
    total = pieces.new_zeros((matrices * count, dim)).index_add_(0, place, pieces.reshape(-1, dim))
    number = torch.bincount(place, minlength=matrices * count)[:, None]
    return torch.where(number > 0, total / number.clamp(min=1), books.flatten(0, 1)).reshape(books.shape)


def _assign(pieces: Tensor, books: Tensor) -> Tensor:
    """Return the nearest vector of every piece, the first of equals: |p - b|^2 without the term all share."""
    count = books.shape[1]
    distance = torch.baddbmm(books.square().sum(-1, keepdim=True), books, pieces.mT, alpha=-2)
    # the largest of count - k where vector k is nearest: several times as fast as argmin, which branches
    fall = torch.arange(count, 0, -1, dtype=distance.dtype, device=distance.device)[:, None]
    nearest = distance.eq_(distance.amin(1, keepdim=True)).mul_(fall).amax(1)
    return count - nearest.long()


QUANTIZERS.add("pq-2x16", ProductQuantizer(2, 16))
QUANTIZERS.add("pq-4x16", ProductQuantizer(4, 16))
QUANTIZERS.add("pq-4x64", ProductQuantizer(4, 64))
