"""Product quantization: pieces of rows, each replaced by the nearest of some vectors of the matrix."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer, bits_of_levels, check_weight
from models.quantizers.quantized import Quantized, Vectors, code_dtype

#: Steps of Lloyd's algorithm.
STEPS = 25


@FAMILIES.register("pq")
@dataclass(frozen=True)
class ProductQuantizer(Quantizer):
    """Cut rows into pieces of ``dim`` weights; k-means of the pieces of a matrix gives its codebook.

    A row that does not divide is filled up with zeros. Codebooks start at pieces drawn at random, the same
    places in every matrix of a shape, and are improved by Lloyd's algorithm. A matrix with fewer pieces than
    ``codes`` keeps all of them.

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
        if not (isinstance(self.seed, int) and self.seed >= 0):
            raise ValueError(f"seed must be an integer of at least 0, not {self.seed!r}")

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
        largest = pieces.abs().amax((-2, -1), keepdim=True)
        scale = torch.where(largest > 0, largest, 1)
        codebooks, codes = [], []
        for unit in pieces / scale:  # a matrix at once: distances to all vectors are many times its size
            book, own = _kmeans(unit, self.codes, self.seed)
            codebooks.append(book)
            codes.append(own)
        lead = weight.shape[:-2]
        book = (torch.stack(codebooks) * scale).reshape(*lead, self.codes, self.dim)
        narrow = torch.stack(codes).to(code_dtype(self.codes)).reshape(*lead, out, count)
        return Vectors(narrow, book, width)


def _kmeans(pieces: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the codebook (count, d) of pieces (P, d), and the code of every piece."""
    size = len(pieces)
    if size <= count:
        missing = pieces[-1:].expand(count - size, -1)
        return torch.cat([pieces, missing]), torch.arange(size, device=pieces.device)
    drawn = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count]
    book = pieces[drawn.to(pieces.device)].clone()
    codes = _assign(pieces, book)
    for _ in range(STEPS):
        total = torch.zeros_like(book).index_add_(0, codes, pieces)
        number = torch.bincount(codes, minlength=count)[:, None]
        book = torch.where(number > 0, total / number.clamp(min=1), book)
        moved = _assign(pieces, book)
        if torch.equal(moved, codes):
            break
        codes = moved
    return book, codes


def _assign(pieces: Tensor, book: Tensor) -> Tensor:
    """Return the nearest vector of every piece: |p - b|^2 without the term that all share."""
    return (book.square().sum(-1) - 2 * pieces @ book.mT).argmin(-1)


QUANTIZERS.add("pq-2x16", ProductQuantizer(2, 16))
QUANTIZERS.add("pq-4x16", ProductQuantizer(4, 16))
QUANTIZERS.add("pq-4x64", ProductQuantizer(4, 64))
