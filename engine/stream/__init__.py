"""How the state of the engine travels to screens, and commands back."""
