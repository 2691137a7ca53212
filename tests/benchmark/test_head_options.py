"""What is given of heads on the command line."""

import pytest

from benchmark.head_options import HeadOptions, refuse_widths
from models.heads import HeadConfig
from molecules.errors import MolmisError
from tasks.catalogue import get_task


def test_what_is_not_given_is_as_usual():
    assert HeadOptions().config() == HeadConfig()
    assert HeadOptions("0").config().hidden == ()
    given = HeadOptions("128, 64", 3, 16, 0.01, 0.0, 0.5, 2).config()
    assert given == HeadConfig((128, 64), 3, 16, 0.01, 0.0, 0.5, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (HeadOptions("64,x"), "--hidden '64,x' cannot be read"),
        (HeadOptions("64,0"), "--hidden"),
        (HeadOptions(",".join(["8"] * 9)), "up to 8 widths"),
        (HeadOptions(learning_rate=0.0), "--learning-rate 0 is not allowed"),
        (HeadOptions(learning_rate=float("inf")), "--learning-rate inf"),
        (HeadOptions(weight_decay=float("nan")), "--weight-decay nan"),
    ],
)
def test_what_makes_no_head_is_refused(options, said):
    with pytest.raises(MolmisError, match=said) as caught:
        options.config()
    assert "\n" not in str(caught.value)


def test_widths_that_the_task_decides_are_not_given_beside():
    with pytest.raises(
        MolmisError, match="--hidden: the widths of gaussian-modes are parameters of the task"
    ):
        refuse_widths(get_task("gaussian-modes"), "16")
    refuse_widths(get_task("gaussian-modes"), None)
    refuse_widths(get_task("tox21"), "16")
