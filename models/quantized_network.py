"""The weights of any torch network, quantized matrix by matrix: which of them, and what is left as it is.

Libraries look for ``torch.nn.Linear`` and pass by what else holds weights: torch-geometric's own ``Linear``,
embeddings, attention vectors, recurrent cells. Here every parameter counts, wherever it lies, and the policy
says of each what becomes of it:

- ``quantized``: weight matrices, embedding tables (a row an entry), attention vectors (a row a head), and the
  matrices of recurrent cells; a parameter of more than two axes is one matrix of its last axis;
- ``bias``: parameters with ``bias`` as a word of their name stay float32;
- ``normalisation``: what batch, layer, graph and similar norms learn stays float32, and so do their running
  statistics, which are no parameters; :func:`reestimate_norms` takes these anew;
- ``scalar``: single numbers, and the slopes of activations, stay float32.
"""

import re
from collections.abc import Callable
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch_geometric.nn.dense.linear import Linear as GraphLinear

from models.quantizers.base import Layer, Quantizer
from models.quantizers.quantized import Quantized
from models.quantizers.zoo import described

#: Where normalisation layers are defined: their parameters are no weights.
_NORMS = (
    "torch.nn.modules.batchnorm",
    "torch.nn.modules.instancenorm",
    "torch.nn.modules.normalization",
    "torch_geometric.nn.norm.",
)
#: Where activations are defined that learn slopes; attention is defined there, too.
_ACTIVATIONS = "torch.nn.modules.activation"
#: Rows that a calibrated quantizer is given of what goes into a matrix: atoms of calibration molecules.
ROWS = 4096


class Role(StrEnum):
    """What becomes of a parameter."""

    QUANTIZED = "quantized"
    BIAS = "bias"
    NORMALISATION = "normalisation"
    SCALAR = "scalar"


def roles(network: nn.Module) -> dict[str, Role]:
    """Return what becomes of every parameter of a network, by name; one that is shared stands once.

    Raises
    ------
    ValueError
        If a lazy layer has not seen its first input, so that its weights do not exist yet, or if a parameter
        is not float32.
    """
    modules = dict(network.named_modules())
    found = {}
    for name, parameter in network.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ValueError(f"{name} has no weights before the first input; run the network once")  # noqa: TRY004
        if parameter.dtype is not torch.float32:
            raise ValueError(f"{name} is {parameter.dtype}; quantize the float32 network")
        place, _, own = name.rpartition(".")
        found[name] = _role(modules[place], own, parameter)
    return found


def _role(module: nn.Module, own: str, parameter: Tensor) -> Role:
    homes = [kind.__module__ for kind in type(module).__mro__]
    if any(home.startswith(_NORMS) for home in homes):
        return Role.NORMALISATION
    if "bias" in re.split(r"[^a-z]+", own.lower()):
        return Role.BIAS
    activation = _ACTIVATIONS in homes and not isinstance(module, nn.MultiheadAttention)
    return Role.SCALAR if parameter.numel() == 1 or activation else Role.QUANTIZED


def as_matrix(parameter: Tensor) -> Tensor:
    """Return a parameter as one matrix: vectors are a row, and more than two axes rows of the last one."""
    return parameter.reshape(-1, parameter.shape[-1])


def quantize_network(
    network: nn.Module, quantizer: Quantizer, run: Callable[[], object] | None = None
) -> dict[str, Quantized]:
    """Quantize the weights of a network in place; see the policy of this module.

    Parameters
    ----------
    network : Module
        Its parameters are replaced by what they are dequantized to.
    quantizer : Quantizer
        Applied to each matrix by itself. None of them is the last of the model: a head follows.
    run : callable or None
        Feeds calibration records through the network; needed for a quantizer that looks at some. Matrices
        are quantized in the order in which they are registered, each for what the ones before it, quantized
        already, make of the records. Those that no linear layer or recurrent cell applies, such as embeddings
        and attention vectors, are rounded without a look at records.

    Returns
    -------
    dict of str to Quantized
        One matrix (out, in) each, by the name of the parameter.

    Raises
    ------
    ValueError
        If the quantizer needs calibration records and there are none.
    """
    calibrated = quantizer.calibration != "none"
    if calibrated and run is None:
        raise ValueError(f"{described(quantizer)} needs {quantizer.calibration} calibration records")
    parameters = dict(network.named_parameters())
    names = [name for name, role in roles(network).items() if role is Role.QUANTIZED]
    layers: dict[str, Quantized] = {}
    for index, name in enumerate(names):
        parameter = parameters[name]
        inputs = _inputs(network, name, run) if calibrated and run is not None else None
        weight = as_matrix(parameter.detach()).cpu()
        layers[name] = quantizer.quantize_layer(weight, Layer(index, len(names) + 1, inputs))
        with torch.no_grad():
            parameter.copy_(layers[name].dequantize().reshape(parameter.shape))
    return layers


def reestimate_norms(network: nn.Module, run: Callable[[], object]) -> None:
    """Replace the running statistics of batch norms by those that public records give, in place.

    Statistics of before are those of what the weights of before made of their inputs.

    Parameters
    ----------
    network : Module
        Quantized; the other layers stay in evaluation mode.
    run : callable
        Feeds the records through the network, some at once, without a change of its mode.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats
    ]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    seen: dict[nn.Module, int] = dict.fromkeys(norms, 0)

    def count(norm: nn.Module, _: object) -> None:
        seen[norm] += 1
        setattr(norm, "momentum", 1 / seen[norm])  # noqa: B010  # the plain mean over batches

    hooks = [norm.register_forward_pre_hook(count) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    try:
        with torch.no_grad():
            run()
    finally:
        for norm, momentum, hook in zip(norms, momenta, hooks, strict=True):
            norm.momentum = momentum
            norm.eval()
            hook.remove()


def _inputs(network: nn.Module, name: str, run: Callable[[], object]) -> Tensor | None:
    """Return rows of what a matrix is multiplied with, shape (n, in); None where nothing tells."""
    place, _, own = name.rpartition(".")
    module = network.get_submodule(place)
    argument = _argument(module, own)
    if argument is None:
        return None
    seen: list[Tensor] = []

    def look(_: nn.Module, given: tuple[object, ...], named: dict[str, object]) -> None:
        told = [*given, *named.values()]  # by place or by name, in the order of the module
        value = told[argument] if len(told) > argument else None
        if isinstance(value, Tensor):
            seen.append(value.detach().reshape(-1, value.shape[-1]).cpu())

    hook = module.register_forward_pre_hook(look, with_kwargs=True)
    try:
        with torch.inference_mode():
            run()
    finally:
        hook.remove()
    if not seen:
        return None
    rows = torch.cat(seen).clone()
    step = -(-len(rows) // ROWS)
    return rows[::step]


def _argument(module: nn.Module, own: str) -> int | None:
    """Return which argument of a module a parameter of it is multiplied with."""
    if isinstance(module, nn.Linear | GraphLinear):
        return 0
    if isinstance(module, nn.RNNCellBase):
        return {"weight_ih": 0, "weight_hh": 1}.get(own)
    return None
