"""The contract of a frozen encoder, the registry, and the disk cache of embeddings.

An encoder turns canonical SMILES into vectors and is never fitted on labels of an audited task: what
leaks is then the head alone. Its ``recipe`` is everything its output depends on; the hash of it names what
is cached.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

from models.quantizers.base import Quantizer
from models.quantizers.quantized import Quantized
from models.tensor_file import read_tensors, save_tensors
from molecules.cache import cache_dir, content_key, environment
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from molecules.registry import Registry
from tasks.task import Inputs, Task

#: Molecules that an encoder without a rule of its own embeds at once where there are many.
STREAM_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class EncoderState:
    """What an encoder learned: all that it takes to have it elsewhere.

    Attributes
    ----------
    kept : mapping of str to Tensor
        As it is, by name: everything where nothing is quantized.
    layers : mapping of str to Quantized
        Parameters that are quantized, by name: one matrix (out, in) each.
    """

    kept: Mapping[str, Tensor] = field(default_factory=dict)
    layers: Mapping[str, Quantized] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything as it is used, quantized parameters dequantized (as matrices)."""
        return {**self.kept, **{name: layer.dequantize() for name, layer in self.layers.items()}}


class Encoder(ABC):
    """A frozen encoder of molecules.

    Subclasses are registered with ``@ENCODERS.register(name)`` and can be made without arguments.
    ``inputs`` is what they take: molecules, unless they say otherwise.
    """

    name: str
    description: str
    inputs: ClassVar[Inputs] = Inputs.MOLECULES
    #: Whether molecules are looked up in a list, so that others cannot be embedded.
    listed: ClassVar[bool] = False
    #: Whether what :meth:`state` gives is all that it takes; else the encoder reads files of its own again.
    portable: ClassVar[bool] = True
    #: Whether a copy can be trained with every head.
    trainable: ClassVar[bool] = False

    @abstractmethod
    def recipe(self) -> dict[str, object]:
        """Return everything the embeddings depend on, JSON-able."""

    @abstractmethod
    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the embeddings of canonical SMILES, shape (molecules, dimensions)."""

    def stream(self, smiles: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings of molecules block by block, in memory that does not grow with their number.

        Parameters
        ----------
        smiles : iterable of str
            Canonical SMILES, such as the lines of a file; read as they are needed.
        """
        source = iter(smiles)
        while block := list(islice(source, STREAM_BLOCK)):
            yield self.encode(block)

    def prepare(self, device: str = "cpu", progress: Progress = SILENT) -> None:
        """Make the encoder ready, such as by pretraining it on first use; without effect where it is."""
        del device, progress  # an encoder without weights has nothing to prepare

    def columns(self) -> tuple[str, ...]:
        """Return the names of the dimensions, where they come from columns of a file."""
        return ()

    @property
    def parameters(self) -> int:
        """Numbers that are learned: none, unless an encoder says otherwise."""
        return 0

    @property
    def quantizable(self) -> bool:
        """Whether :meth:`quantized` can be asked for."""
        return self.parameters > 0

    def labels(self) -> tuple[str, ...] | None:
        """Return whose measured labels the encoder was fitted on, by name of the task; None if nobody says.

        ``task``, ``task:label``, or the SHA-256 of the file that the labels are read from.
        """
        return ()

    def seen(self) -> Sequence[str] | None:
        """Return the molecules, as canonical SMILES, that it was fitted on, no labels; None if unknown."""
        return ()

    def options(self) -> dict[str, str]:
        """Return what it takes beside the name to make this encoder again; nothing for the usual one."""
        return {}

    def state(self) -> EncoderState:
        """Return what was learned, of a prepared encoder; nothing where nothing is learned."""
        return EncoderState()

    def restore(self, state: EncoderState, device: str | None = None) -> None:
        """Take the place of :meth:`prepare`, with what :meth:`state` gave elsewhere.

        Parameters
        ----------
        state : EncoderState
            What was learned.
        device : str or None
            Where to compute from now on; None for where it was.

        Raises
        ------
        ValueError
            If this is not the state of such an encoder.
        """
        del device
        if state.kept or state.layers:
            raise ValueError(f"the encoder {self.name} has no weights")

    def quantized(self, quantizer: Quantizer, smiles: Sequence[str] = (), norms: Sequence[str] = ()) -> Self:
        """Return this encoder with its weights quantized; it is left as it was itself.

        Parameters
        ----------
        quantizer : Quantizer
            Applied to each matrix by itself.
        smiles : sequence of str
            Molecules for a quantizer that looks at some.
        norms : sequence of str
            Molecules that statistics of normalisation are taken of anew, after quantization; as they were if
            none.

        Raises
        ------
        MolmisError
            If there are no weights to quantize.
        """
        del quantizer, smiles, norms
        raise MolmisError(f"the encoder {self.name} has no weights to quantize")

    @property
    def key(self) -> str:
        """Hash of the recipe."""
        return content_key(self.recipe())


#: Encoders by name: classes that can be made without arguments.
ENCODERS: Registry[type[Encoder]] = Registry("encoder", "models.encoders")

#: What encodes the records of a task where nobody says.
DEFAULT_ENCODERS = {Inputs.MOLECULES: "gin", Inputs.VECTORS: "none"}


def trainable_encoders() -> list[str]:
    """Return the names of the encoders of which a copy can be trained with every head."""
    return [name for name, kind in ENCODERS.items() if kind.trainable]


def encoder_for(task: Task, name: str | None = None) -> type[Encoder]:
    """Return the encoder of a name, or the usual one for what the records of a task are.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    MolmisError
        If it does not take what the records are.
    """
    found = ENCODERS[name or DEFAULT_ENCODERS[task.inputs]]
    if found.inputs is not task.inputs:
        fitting = [known for known, encoder in ENCODERS.items() if encoder.inputs is task.inputs]
        raise MolmisError(
            f"--encoder {name} takes {found.inputs}, and the records of {task.name} are {task.inputs}; "
            f"give --encoder {' or '.join(fitting)}, or leave it out"
        )
    return found


def embed(
    encoder: Encoder,
    smiles: Sequence[str],
    device: str = "cpu",
    progress: Progress = SILENT,
    folder: Path | None = None,
) -> NDArray[np.float32]:
    """Return the embeddings of molecules, from the disk cache where it holds them.

    Parameters
    ----------
    encoder : Encoder
        Prepared (pretrained) only if the cache does not answer.
    smiles : sequence of str
        Canonical SMILES; they, the encoder's recipe and the environment are the key.
    device : str
        Where it is computed.
    progress : Progress
        Listener.
    folder : Path or None
        Where they are cached; None for the room of embeddings that stay.

    Returns
    -------
    ndarray of float32, shape (molecules, dimensions)
    """
    key = content_key(encoder.key, list(smiles), environment(device))
    path = (folder or cache_dir("embeddings")) / f"{encoder.name}-{key}.safetensors"
    cached = read_tensors(path, key, progress)
    if cached is not None:
        progress.note(f"embeddings: reused {path.name}")
        found: NDArray[np.float32] = cached["embeddings"].numpy()
        return found
    encoder.prepare(device, progress)
    embeddings = encoder.encode(smiles, progress)
    save_tensors(path, {"embeddings": from_numpy(np.ascontiguousarray(embeddings))}, key)
    return embeddings
