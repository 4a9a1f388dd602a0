"""What the simulator raises when it has found something."""


class Violation(AssertionError):
    """Something happened that never may, or did not happen when it must."""
