"""A progress listener for tests: it collects the notes."""

from molecules.progress import SILENT


class Listener:
    """Collects notes, draws nothing."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    stage = staticmethod(SILENT.stage)

    def note(self, message: str) -> None:
        self.notes.append(message)
