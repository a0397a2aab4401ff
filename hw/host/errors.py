"""What can be wrong between host and board."""

from model.errors import UserError

__all__ = ["NOTHING_LOADED", "LinkError", "NoAnswer"]

NOTHING_LOADED = (
    "the board holds no network, as a load broke off: load one with python -m hw.host load"
)


class LinkError(UserError):
    """The board cannot be reached, or is not what was expected; says what to do."""


class NoAnswer(LinkError):  # noqa: N818 - read as a sentence: raise NoAnswer
    """A request was sent as often as is sensible, and nothing came back."""
