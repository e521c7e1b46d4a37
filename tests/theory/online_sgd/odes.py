"""The ODEs of online SGD by keywords, and the units that they are tried with."""

from tests.rules import by_keywords
from tsmech.theory.online_sgd import integration

integrate, velocity = by_keywords(integration.integrate), by_keywords(integration.velocity)
NAMES = ["erf", "relu", "linear", "quadratic"]


def named(student, teacher=None):
    return {"student": student, "teacher": teacher or student}
