"""Networks that come with the package, usable by name wherever a model file is asked for."""

from pathlib import Path

from model.errors import UserError
from model.format import SUFFIX, Network, load

__all__ = ["DEFAULT", "load_model", "names", "resolve"]

FOLDER = Path(__file__).parent / "shipped_networks"
DEFAULT = "digits"


def names() -> list[str]:
    """Names of the shipped networks."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def resolve(model: str) -> Path:
    """The file of a shipped network's name, or the path itself.

    Raises UserError when it is neither a shipped name nor a file.
    """
    if model in names():
        return FOLDER / f"{model}{SUFFIX}"
    path = Path(model)
    if path.is_dir():
        raise UserError(f"model {model} is a folder; name the exported file in it (*{SUFFIX})")
    if not path.exists():
        raise UserError(
            f"model {model!r} is neither a file nor a shipped network ({', '.join(names())})"
        )
    return path


def load_model(model: str) -> Network:
    """Load a network by shipped name or by path; raises UserError as `model.format.load` does."""
    return load(resolve(model))
