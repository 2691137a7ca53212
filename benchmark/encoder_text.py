"""What a reader of the figures must know of the encoder."""


def seen_text(facts: object) -> str:
    """Return one sentence about what an encoder saw before; empty where there is nothing to be told.

    Parameters
    ----------
    facts : object
        What :meth:`models.encoders.seen.Seen.facts` gave, perhaps in a stored result; anything else says
        nothing.
    """
    if not isinstance(facts, dict):
        return ""
    said = []
    molecules, total = facts.get("molecules"), facts.get("of")
    if molecules:
        said.append(f"saw {molecules:,} of {total:,} molecules of this task in pretraining, without labels")
    if molecules is None:
        said.append("does not say which molecules it was pretrained on")
    if not facts.get("labels_declared", True):
        said.append(
            "does not say on which labels it was fitted: if these are among them, it leaks on its own"
        )
    return f"The encoder {', and '.join(said)}." if said else ""
