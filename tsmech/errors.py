"""What can go wrong, each with the exit code that the command line gives it."""

from tsmech.words import one_line


class TsmechError(Exception):
    """Base of every error that is reported in one line instead of a traceback: one printable line of bounded length."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class InputError(TsmechError, ValueError):
    """A parameter, file or option that cannot be used; the message names it, its value and what is allowed."""

    exit_code = 2


class ConvergenceError(TsmechError, ArithmeticError):
    """A solver did not reach its tolerance: an error, never a number."""

    exit_code = 3


class IncompleteError(TsmechError):
    """Some points failed or could not be stored; what was finished is kept."""

    exit_code = 4


class CutShortError(IncompleteError):
    """The run ended before its end, and the same command continues it."""
