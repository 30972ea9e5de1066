"""Errors shown to users. Each message is one line that names the thing and what to do."""


class UserError(Exception):
    """The input cannot be used. The command line prints the message and exits with status 2."""


class Unsupported(Exception):
    """A store does not support these images or this operation. The cell is skipped."""


class Mismatch(Exception):
    """A store returned other data than was written. The cell fails."""


class Conflict(Exception):
    """Two writers added a version at the same time, and this one was refused. Nothing changed."""
