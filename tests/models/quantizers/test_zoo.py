"""Names, groups and specifications of quantizers."""

import pytest

from models.quantizers.base import QUANTIZERS
from models.quantizers.contract import check
from models.quantizers.identity import Identity
from models.quantizers.sign import Sign
from models.quantizers.ternary import Ternary
from models.quantizers.uniform import Uniform
from models.quantizers.zoo import canonical_name, resolve, zoo_names
from molecules.errors import MolmisError, UnknownNameError

SCALED = ["float32", "uniform-8", "uniform-6", "uniform-5", "uniform-4", "uniform-3", "uniform-2"]
SCALED += ["ternary-33", "ternary-50", "ternary-75", "ternary-90", "sign"]


def test_groups_are_in_table_order():
    assert zoo_names() == tuple(SCALED)
    every = zoo_names("all")
    assert [name for name in every if name in SCALED] == SCALED
    bits = [QUANTIZERS[name].bits for name in every if QUANTIZERS[name].adaptive]
    assert bits == sorted(bits, reverse=True)


def test_every_group_member_is_registered_and_nothing_is_left_out():
    installed = set(zoo_names("libraries")) & set(QUANTIZERS)
    assert set(zoo_names("all")) | set(zoo_names("controls")) | installed == set(QUANTIZERS)
    assert not set(zoo_names("all")) & set(zoo_names("libraries"))  # the same with and without the extra
    assert not set(zoo_names("all")) & set(zoo_names("controls"))
    assert len(zoo_names("all")) >= 40
    assert "constant" in zoo_names("controls")


def test_unknown_group():
    with pytest.raises(UnknownNameError, match="unknown group of quantizers 'papers'; nearest: paper"):
        zoo_names("papers")


@pytest.mark.parametrize(
    ("name", "quantizer"),
    [
        ("float32", Identity()),
        ("sign", Sign("adaptive")),
        ("sign-unscaled", Sign("none")),
        ("ternary-33", Ternary(0.33, "adaptive")),
        ("ternary-90-unscaled", Ternary(0.9, "none")),
        ("uniform-2", Uniform(2, "adaptive")),
        ("uniform-8-unscaled", Uniform(8, "none")),
    ],
)
def test_names_stand_for(name, quantizer):
    assert resolve([name]) == {name: quantizer}


def test_resolve_keeps_the_order_given_and_names_each_once():
    chosen = resolve(["sign", "uniform:bits=7", "paper", "sign"])
    assert list(chosen) == ["sign", "uniform:bits=7", *(name for name in SCALED if name != "sign")]
    assert resolve([]) == {}


@pytest.mark.parametrize(
    ("text", "name", "quantizer"),
    [
        ("ternary:sparsity=0.8", "ternary:sparsity=0.8", Ternary(0.8)),
        (" ternary: scale=none , sparsity=.80 ", "ternary:sparsity=0.8,scale=none", Ternary(0.8, "none")),
        ("ternary:sparsity=8e-1,scale=adaptive", "ternary:sparsity=0.8", Ternary(0.8)),
        ("uniform:bits=7,scale=none", "uniform:bits=7,scale=none", Uniform(7, "none")),
        ("uniform:bits=4", "uniform-4", Uniform(4)),  # a registered one keeps its name
        ("sign:", "sign", Sign()),
        ("identity:", "float32", Identity()),
    ],
)
def test_specifications(text, name, quantizer):
    assert resolve([text]) == {name: quantizer}
    assert resolve([name]) == {name: quantizer}  # what is written can be read
    assert canonical_name(quantizer) == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenary-33", ["unknown quantizer 'tenary-33'", "ternary-33", "family:parameter=value"]),
        ("ternary", ["unknown quantizer 'ternary'", "ternary-90"]),
        ("", ["unknown quantizer ''", "paper, all"]),
        ("ternry:sparsity=0.8", ["unknown quantizer family 'ternry'", "nearest: ternary"]),
        ("ternary:sparsty=0.8", ["unknown parameter of ternary 'sparsty'", "nearest: sparsity"]),
        ("ternary:sparsity=1", ["sparsity must be in [0, 1), not 1.0"]),
        ("ternary:sparsity=nan", ["sparsity must be in [0, 1), not nan"]),
        ("ternary:sparsity=much", ["sparsity='much'", "write sparsity=NUMBER"]),
        ("ternary:", ["sparsity is missing", "write ternary:sparsity=NUMBER"]),
        ("uniform:bits=4.5", ["bits='4.5'", "write bits=INTEGER"]),
        ("uniform:bits=9", ["from 2 to 8, not 9"]),
        ("uniform:bits", ["bits=INTEGER"]),
        ("uniform:bits=7,scale=absmax", ["scale='absmax'", "write scale=adaptive|none"]),
        ("uniform:bits=7,bits=6", ["give bits once"]),
        ("identity:bits=8", ["unknown parameter of identity 'bits'"]),
    ],
)
def test_mistakes_are_told_in_one_line(text, said):
    with pytest.raises(MolmisError) as caught:
        resolve([text])
    message = str(caught.value)
    assert "\n" not in message
    for part in said:
        assert part in message


def test_a_quantizer_of_no_family_has_no_name():
    class Stranger(Sign):
        """A family that is registered nowhere."""

    with pytest.raises(UnknownNameError, match="Stranger"):
        canonical_name(Stranger())


def test_a_family_by_itself_says_what_it_needs():
    with pytest.raises(UnknownNameError, match=r"uniform is a family: write uniform:bits=INTEGER\."):
        resolve(["uniform"])


def test_a_parameter_may_look_like_a_file():
    with pytest.raises(UnknownNameError, match="'inner'"):
        resolve(["last8:inner=mine.py"])


@pytest.mark.parametrize(
    "text", ["noise:share=inf", "noise:share=1,seed=-1", "stochastic:bits=2,seed=99999999999999999999"]
)
def test_numbers_that_nothing_can_be_made_of_are_refused(text):
    with pytest.raises(MolmisError, match="must be"):
        resolve([text])


@pytest.mark.parametrize("dim", [1, 3, 6, 16, 32, 64])
def test_vectors_of_any_length_keep_the_contract(dim):
    (quantizer,) = resolve([f"pq:dim={dim},codes=16"]).values()
    assert [finding for finding in check(quantizer) if finding.check == "levels"] == []
