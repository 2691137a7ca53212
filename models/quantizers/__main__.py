"""The command line of the zoo: ``python -m models.quantizers list|check|docs``."""

from models.quantizers.console import app
from molecules.command_line import run_app

if __name__ == "__main__":
    run_app(app, "python -m models.quantizers")
