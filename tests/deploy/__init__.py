"""Deploying: the machine, the plan, the journal, and the loop on the emulator."""
