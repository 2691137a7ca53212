"""``docs/quantizers.md``: every quantizer of the zoo, made from the code."""

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer
from models.quantizers.library import ROWS
from models.quantizers.measures import entropy_bits, relative_error
from models.quantizers.zoo import PAPER, zoo_names

#: Side of the square matrix of standard normal weights on which errors are told, and the seed of them.
SIZE, SEED = 128, 0

_HEAD = f"""# The zoo of quantizers

Made by `python -m models.quantizers docs` from the code; see [extending.md](extending.md) for how to add one.
Relative error is ||W − Q(W)|| / ||W|| on {SIZE} × {SIZE} standard normal weights (seed {SEED}); bits are
nominal, without scales; entropy bits are those an ideal coder would need for the codes, scales and codebooks
included. `paper` names the twelve of the tables (bold), `all` every one but the controls, `controls` these;
`libraries` are [those that call a library](#from-libraries), which this table and `all` leave out.
Any family takes parameters of one's own: `uniform:bits=3,per=row`, `pq:dim=4,codes=256`.

![the functions on [-1, 1]](figures/quantizers.png)

"""


#: What the errors of rows by libraries were measured with.
LIBRARY_VERSIONS = "bitsandbytes 0.50.2, torchao 0.18.0 and hqq 0.2.8.post1"
_LIBRARIES = f"""# From libraries

These call bitsandbytes, torchao or hqq on the CPU; `pip install 'molmis[quant]'` brings them. What they do
may change with the library: errors are those of {LIBRARY_VERSIONS}; `python -m models.quantizers check NAME`
measures one anew, and the version of the library is part of what its results are kept under.

| quantizer | bits | relative error | library |
|:--|--:|--:|:--|
"""


def page() -> str:
    """Return the page as Markdown."""
    weight = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(SEED))
    lines = ["| quantizer | bits | entropy bits | relative error | calibration |", "|:--|--:|--:|--:|:--|"]
    for name in [*zoo_names("all"), *zoo_names("controls")]:
        quantizer = QUANTIZERS[name]
        quantized = quantizer.quantize(weight)
        error, entropy = float(relative_error(weight, quantized)), float(entropy_bits(quantized))
        shown = f"**{name}**" if name in PAPER else name
        reads = "" if quantizer.calibration == "none" else quantizer.calibration
        lines.append(f"| {shown} | {quantizer.bits:.2f} | {entropy:.2f} | {error:.3f} | {reads} |")
    own = {family: cls for family, cls in FAMILIES.items() if cls.library is None}
    others = {family: cls for family, cls in FAMILIES.items() if cls.library is not None}
    rows = [
        f"| {name} | {ROWS[name].bits:.2f} | {stated_errors(type(ROWS[name]))[name]} | {ROWS[name].library} |"
        for name in zoo_names("libraries")
    ]
    lines += ["", "", "# The families", "", *_families(own)]
    return _HEAD + "\n".join(lines) + "\n" + _LIBRARIES + "\n".join([*rows, "", *_families(others)]) + "\n"


def stated_errors(family: type[Quantizer]) -> dict[str, str]:
    """Return the relative error that the docstring of a family states of each of its rows, by name.

    The tests hold them to what is measured; of rows by libraries where these are installed.
    """
    return dict(re.findall(r"``([^`]+)``\s+(\d+\.\d{3}|inf)\b", _plain(family.__doc__ or "")))


def _families(families: Mapping[str, type[Quantizer]]) -> Iterator[str]:
    rows = dict(QUANTIZERS.items()) | dict(ROWS.items())  # whether their library is installed or not
    for family, cls in sorted(families.items()):
        yield f"## {family}"
        yield ""
        yield inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("``", "`").replace("\n", " ")
        yield ""
        members = [name for name, member in rows.items() if type(member) is cls]
        example = rows[members[0]] if members else None
        yield f"* formula: `{_plain(cls.formula)}`"
        yield f"* source: {_plain(cls.reference)}"
        yield f"* rows: {', '.join(members)}"
        yield f"* parameters: {_parameters(cls) or 'none'}"
        for check, why in (example.exceptions if example else {}).items():
            yield f"* does not keep `{check}`: {why}"
        yield ""


def _plain(text: str) -> str:
    return " ".join(text.split())


def _parameters(cls: type[Quantizer]) -> str:
    found = inspect.signature(cls).parameters.values()
    return ", ".join(
        f"`{p.name}`" if p.default is inspect.Parameter.empty else f"`{p.name}={p.default}`" for p in found
    )


def draw(path: Path) -> None:
    """Draw the function that every quantizer is on [-1, 1], weights spread evenly over it, to a file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from molecules.cache import atomic_write

    names = [*zoo_names("all"), *zoo_names("controls")]
    columns, rows = 9, -(-len(names) // 9)
    weights = torch.linspace(-1, 1, 1024)
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(1.5 * columns, 1.55 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, name in zip(axes, names, strict=False):
            # in a matrix of 32 x 32, so that rows and groups are as small parts of it as in a layer
            values = QUANTIZERS[name].quantize(weights[_mixed()].reshape(32, 32)).dequantize().flatten()
            panel.plot([-1, 1], [-1, 1], color="0.8", lw=0.6)
            panel.plot(weights[_mixed()], values, ".", ms=1, color="#0173b2")
            panel.set_title(name, fontsize=6.5, pad=2)
            panel.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlim=(-1.1, 1.1), ylim=(-1.3, 1.3))
            panel.tick_params(labelsize=5)
        for panel in axes[len(names) :]:
            panel.set_visible(False)
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png", dpi=130)


def _mixed() -> torch.Tensor:
    """Return an order of the weights in which every row of the matrix covers all of [-1, 1]."""
    return torch.randperm(1024, generator=torch.Generator().manual_seed(SEED))
