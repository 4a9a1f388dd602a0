"""One module a command: ``add_arguments(parser)`` says what it takes, ``run(args)`` does it."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """A command cannot do what was asked; the message says what to do about it, in one line."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        """What the shell sees: 1 for a failure, 2 for a question that makes no sense."""
