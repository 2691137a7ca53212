"""What a published file is, in words, and what every part of it takes."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table

from models.artefact import Artefact, unpack
from models.quantizers.measures import entropy_bits, zeros
from models.quantizers.packing import packed_bytes, packed_size
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
    weights = sum(layer.shape[0] * layer.shape[1] for layer in head.layers)
    parameters = weights + sum(len(bias) for bias in head.biases)
    whole = 4 * parameters
    encoder = f"{origin.encoder}, recipe {origin.encoder_key}"
    encoder += f"; its {len(head.encoder)} tensors are in the file" if head.encoder else "; not in the file"
    table = Table(show_header=False, box=None, pad_edge=False)
    rows = {
        "file": f"{path}, {size:,} bytes; the checksum is right",
        "task": f"{origin.task} ({origin.kind.value})",
        "labels": f"{len(origin.targets)}: {', '.join(origin.targets[:12])}"
        + (", ..." if len(origin.targets) > 12 else ""),
        "encoder": encoder,
        "quantizer": head.quantizer,
        "head": f"run {head.run}" if head.run.isdigit() else f"trained on {head.run} records",
        "parameters": f"{parameters:,}, as float32 {whole:,} bytes",
        "written by": f"molmis {head.version}",
    }
    for name, text in rows.items():
        table.add_row(f"[bold]{name}[/bold]", text.replace("[", "\\["))
    return table


def _layers(head: Artefact, size: int) -> Table:
    """Return a row for every layer, and one for the rest of the file."""
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
    counted = 0
    for place, (layer, bias) in enumerate(zip(head.layers, head.biases, strict=True)):
        count = layer.shape[0] * layer.shape[1]
        codes = packed_size(layer.codes.numel(), layer.alphabet)
        beside = int(packed_bytes(layer)) - codes
        counted += codes + beside + bias.nbytes
        table.add_row(
            str(place),
            f"{layer.shape[0]} × {layer.shape[1]}",
            kind_of(layer),
            str(layer.alphabet or "2³²"),
            f"{8 * codes / count:.2f}",
            f"{float(entropy_bits(layer)):.2f}",
            f"{float(zeros(layer)):.0%}",
            f"{codes:,} B",
            f"{beside:,} B",
            f"{bias.nbytes:,} B",
        )
    encoder = sum(tensor.nbytes for tensor in head.encoder.values())
    rest = f"header, levels, units and probe: {size - counted - encoder:,} bytes"
    table.caption = rest + (f"; encoder: {encoder:,} bytes" if encoder else "")
    return table
