"""What a published file is, in words, and what every part of it takes."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from torch import Tensor

from models.artefact import Artefact, unpack
from models.encoders.base import EncoderState
from models.quantizers.measures import entropy_bits, zeros
from models.quantizers.packing import packed_bytes, packed_size
from models.quantizers.quantized import Quantized
from models.quantizers.stored import kind_of


def artefact_report(path: Path) -> RenderableType:
    """Return what is shown of a file.

    Raises
    ------
    DataError
        If it is no file of a head, or damaged.
    """
    head, size = unpack(path), path.stat().st_size
    return Group(_facts(path, head, size), _layers(head, size))


def _facts(path: Path, head: Artefact, size: int) -> Table:
    """Return what the file says of itself."""
    origin = head.origin
    parameters = sum(layer.weights for layer in head.layers) + sum(len(bias) for bias in head.biases)
    table = Table(show_header=False, box=None, pad_edge=False)
    rows = {
        "file": f"{path}, {size:,} bytes; the checksum is right",
        "task": f"{origin.task} ({origin.kind.value})",
        "labels": f"{len(origin.targets)}: {', '.join(origin.targets[:12])}"
        + (", ..." if len(origin.targets) > 12 else ""),
        "encoder": f"{origin.encoder}, recipe {origin.encoder_key}"
        + (", trained further with the head" if origin.trained_encoder else "")
        + f"; {_said_of(head.encoder)}",
        "quantizer": head.quantizer,
        "quantized": {"head": "the head", "model": "encoder and head"}.get(
            origin.scope, "encoder and head, statistics of the normalisation taken anew"
        ),
        "head": f"run {head.run}" if head.run.isdigit() else f"trained on {head.run} records",
        "parameters": f"{parameters:,} of the head, as float32 {4 * parameters:,} bytes",
        "written by": f"molmis {head.version}",
    }
    for name, text in rows.items():
        table.add_row(f"[bold]{name}[/bold]", text.replace("[", "\\["))
    return table


def _said_of(encoder: EncoderState | None) -> str:
    """Say what the file holds of the encoder."""
    if encoder is None:
        return "not in the file"
    kept = sum(tensor.numel() for tensor in encoder.kept.values())
    if not encoder.layers:
        return f"in the file as it was trained, {kept:,} numbers"
    weights = sum(layer.weights for layer in encoder.layers.values())
    if all(layer.alphabet is None for layer in encoder.layers.values()):
        return f"in the file as float32, {weights + kept:,} numbers"
    return (
        f"in the file, {weights:,} weights of {len(encoder.layers)} matrices quantized, {kept:,} numbers not"
    )


def _layers(head: Artefact, size: int) -> Table:
    """Return a row for every matrix, those of the encoder first, and one for the rest of the file."""
    table = Table(header_style="bold")
    names = (
        "layer",
        "weights",
        "kind",
        "levels",
        "bits a weight",
        "entropy bits",
        "zeros",
        "codes",
        "beside codes",
        "bias",
    )
    for name in names:
        table.add_column(name, justify="left" if name in ("layer", "kind") else "right")
    counted, kept = 0, ""
    if head.encoder is not None:
        counted = sum(_add_row(table, name, layer, None) for name, layer in head.encoder.layers.items())
        table.add_section()
        as_it_was = sum(tensor.nbytes for tensor in head.encoder.kept.values())
        counted += as_it_was
        kept = f"; of the encoder as it was: {as_it_was:,} bytes"
    for place, (layer, bias) in enumerate(zip(head.layers, head.biases, strict=True)):
        counted += _add_row(table, f"head {place}", layer, bias)
    table.caption = f"header, levels, units and probe: {size - counted:,} bytes{kept}"
    return table


def _add_row(table: Table, name: str, layer: Quantized, bias: Tensor | None) -> int:
    """Add a matrix to the table; return the bytes that it takes with its bias."""
    codes = packed_size(layer.codes.numel(), layer.alphabet)
    beside = int(packed_bytes(layer)) - codes
    table.add_row(
        name,
        f"{layer.shape[0]} × {layer.shape[1]}",
        kind_of(layer),
        str(layer.alphabet or "2³²"),
        f"{8 * codes / layer.weights:.2f}",
        f"{float(entropy_bits(layer)):.2f}",
        f"{float(zeros(layer)):.0%}",
        f"{codes:,} B",
        f"{beside:,} B",
        "" if bias is None else f"{bias.nbytes:,} B",
    )
    return codes + beside + (0 if bias is None else bias.nbytes)
