"""What an encoder may be pretrained on: names, without anything heavy."""

from enum import StrEnum


class Objective(StrEnum):
    """What a network is trained to do before it is frozen; none of it takes a measured label."""

    DESCRIPTORS = "descriptors"
    MASKING = "masking"
    CONTRASTIVE = "contrastive"
    NONE = "none"


#: What a user may ask for.
CHOICES = (Objective.DESCRIPTORS, Objective.MASKING, Objective.CONTRASTIVE)
