"""What can be wrong between host and board."""

from model.errors import UserError

__all__ = ["LinkError"]


class LinkError(UserError):
    """The board cannot be reached, or is not what was expected; says what to do."""
