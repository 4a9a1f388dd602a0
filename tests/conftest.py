"""What holds for all tests."""

from hypothesis import settings

# A deadline on the wall clock would say how busy the machine is, and nothing about the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
