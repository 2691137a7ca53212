"""What is shown of a quantizer that is held to the contract: every check, and what it does to weights."""

import time
from dataclasses import dataclass

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.quantizers import Quantizer
from models.quantizers.contract import CHECKS, Finding, check
from models.quantizers.measures import entropy_bits, relative_error, zeros
from models.quantizers.packing import packed_bytes
from models.quantizers.zoo import described

#: Width and height of the drawn curve, in characters.
_WIDTH, _HEIGHT = 61, 11


@dataclass(frozen=True)
class CheckReport:
    """What was found.

    Attributes
    ----------
    shown : RenderableType
        What is printed.
    refused : list of str
        Why it may not be measured, one line each; empty if it may.
    """

    shown: RenderableType
    refused: list[str]


def check_report(name: str, quantizer: Quantizer) -> CheckReport:
    """Hold a quantizer to the contract.

    Parameters
    ----------
    name : str
        What it is called.
    quantizer : Quantizer
        Any one; calibration records are none.
    """
    findings = check(quantizer)
    refused = [f"{finding.check}: {finding.message}" for finding in findings if finding.refused]
    parts: list[RenderableType] = [
        Text(f"{name}: {quantizer.bits:.2f} bits a weight", style="bold"),
        Text(described(quantizer)),
        Text(f"{quantizer.formula}; {quantizer.reference}"),
        _checks(quantizer, findings),
    ]
    if not refused:
        parts += [_figures(quantizer), _curve(quantizer)]
    flags = sum(not finding.refused for finding in findings)
    verdict = f"refused: {len(refused)} findings" if refused else "may be measured"
    flagged = f", with {flags} flag{'s' * (flags > 1)} in the table" if flags and not refused else ""
    parts.append(Text(f"{name}: {verdict}{flagged}\n", style="bold red" if refused else "bold green"))
    return CheckReport(Group(*parts), refused)


def _checks(quantizer: Quantizer, findings: list[Finding]) -> Table:
    """Return a row for every check."""
    table = Table("check", "result", "reason", header_style="bold")
    for name in CHECKS:
        if name in quantizer.exceptions:
            table.add_row(name, Text("left out", style="yellow"), Text(quantizer.exceptions[name]))
            continue
        found = [finding for finding in findings if finding.check == name]
        for finding in found:
            result = Text("refused", style="red") if finding.refused else Text("flag", style="yellow")
            table.add_row(name, result, Text(finding.message))
        if not found:
            applies = name != "scale" or quantizer.adaptive
            table.add_row(name, Text("ok", style="green"), "" if applies else "not declared")
    return table


def _figures(quantizer: Quantizer) -> Table:
    """Return what it does to a million normal weights."""
    weight = torch.randn((1000, 1000), generator=torch.Generator().manual_seed(0)) * 0.1
    begin = time.perf_counter()
    quantized = quantizer.quantize(weight)
    taken = time.perf_counter() - begin
    table = Table(show_header=False, box=None, pad_edge=False, title="a million normal weights")
    size = int(packed_bytes(quantized))
    rows = {
        "relative error": f"{float(relative_error(weight, quantized)):.4f}",
        "entropy bits": f"{float(entropy_bits(quantized)):.3f} a weight",
        "zeros": f"{float(zeros(quantized)):.1%}",
        "stored": f"{size:,} bytes, {8 * size / weight.numel():.3f} bits a weight",
        "speed": f"{taken:.3f} s, {weight.numel() / taken / 1e6:.1f} million weights a second",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _curve(quantizer: Quantizer) -> Text:
    """Return the quantization function of a matrix of one row from -1 to 1, drawn in characters."""
    weight = torch.linspace(-1, 1, 1001)[None]
    values = quantizer.quantize(weight).dequantize()[0]
    picked = values[torch.linspace(0, 1000, _WIDTH).round().long()]
    limit = max(1.0, float(picked.abs().max()))
    rows = ((1 - picked / limit) / 2 * (_HEIGHT - 1)).round().long().tolist()
    lines = ["".join("•" if row == height else " " for row in rows) for height in range(_HEIGHT)]
    marks = {0: f"{limit:+.2f}", _HEIGHT // 2: "0", _HEIGHT - 1: f"{-limit:+.2f}"}
    drawn = "\n".join(f"{marks.get(height, ''):>7} │{line}" for height, line in enumerate(lines))
    axis = f"{'':>7} └{'─' * _WIDTH}\n{'':>9}w = -1{'0':^{_WIDTH - 12}}w = 1"
    return Text(f"{drawn}\n{axis}")
