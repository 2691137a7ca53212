"""What quantizers are applied to."""

from enum import StrEnum


class Scope(StrEnum):
    """The part of a model whose weights are quantized.

    ``head``; ``model``, the encoder with it; or ``model-norms``, the same, and the running statistics of the
    encoder's normalisation are taken anew, of public molecules.
    """

    HEAD = "head"
    MODEL = "model"
    MODEL_NORMS = "model-norms"

    @classmethod
    def chosen(cls, given: "Scope | None", train_encoder: bool) -> "Scope":
        """Return what was given; where nothing was, everything that is trained."""
        return given if given is not None else cls.MODEL if train_encoder else cls.HEAD

    @property
    def whole(self) -> bool:
        """Whether the encoder is quantized, too."""
        return self is not Scope.HEAD
