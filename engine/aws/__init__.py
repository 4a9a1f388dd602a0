"""What every conversation with AWS shares: how it is opened, and what happens when it fails.

Nothing here or in those who use it names an endpoint, a region or a key: all of these come from the
environment and the default chain, so the same code talks to an emulator and to the real thing.
"""
