"""What is given of heads on the command line."""

import pytest
import typer
from typer.testing import CliRunner

from benchmark.head_options import AS_USUAL, HeadOptions, early_note, refuse_widths, with_head_options
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
        (HeadOptions("0", dropout=0.3), "--dropout 0.3 leaves out hidden values, and --hidden 0 has none"),
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


def test_dropout_of_nothing_is_nothing():
    assert HeadOptions("0", dropout=0.0).config() == HeadConfig(())


@pytest.mark.parametrize(("early", "kept"), [(0, 0), (3, 3), (9, 4), (4, 4)])
def test_more_early_snapshots_than_steps_are_told(early, kept):
    head = HeadConfig(epochs=2, batch_size=10, early_snapshots=early)
    told = early_note(head, 50)  # five steps, the last of which ends the epoch
    assert (told == "") == (early == kept)
    if told:
        assert told == "--early-snapshots 9: an epoch has 5 steps, so there are 4 early snapshots"


def test_one_declaration_gives_a_command_its_options():
    got = []

    def command(name: str, head: HeadOptions = AS_USUAL, loud: bool = False) -> None:
        """Do something."""
        got.append((name, head, loud))

    app = typer.Typer()
    app.command()(with_head_options(command))
    given = ["x", "--hidden", "8,4", "--early-snapshots", "2", "--loud"]
    assert CliRunner().invoke(app, given).exit_code == 0
    assert CliRunner().invoke(app, ["y"]).exit_code == 0
    assert got == [("x", HeadOptions("8,4", early_snapshots=2), True), ("y", AS_USUAL, False)]
    assert CliRunner().invoke(app, ["z", "--epochs", "0"]).exit_code == 2
