"""What can go wrong, each with the exit code that the command line gives it."""


class TsmechError(Exception):
    """Base of every error that is reported in one line instead of a traceback."""

    exit_code = 1


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
