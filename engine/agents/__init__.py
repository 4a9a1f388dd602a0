"""The agents: pure brains, and the process around one of them."""
