"""``main.py bench deploy``: what a deployment and the engine's work on AWS cost, on the emulator."""
