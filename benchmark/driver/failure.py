"""The one error that ends a run with a message for a person instead of a traceback."""


class Failure(Exception):
    """What was wrong, and what to do about it."""
