"""What an encoder may be pretrained on: names, without anything heavy."""

from enum import StrEnum


class Objective(StrEnum):
    """What a network is trained to do before it is frozen; none of it takes a measured label."""

    DESCRIPTORS = "descriptors"
    MASKING = "masking"
    CONTRASTIVE = "contrastive"
    NONE = "none"


class PretrainObjective(StrEnum):
    """What a user may ask for."""

    DESCRIPTORS = Objective.DESCRIPTORS.value
    MASKING = Objective.MASKING.value
    CONTRASTIVE = Objective.CONTRASTIVE.value
