"""The cloud: blueprints, environments, and the emulator they are tried on."""
