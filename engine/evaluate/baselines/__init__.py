"""Published or obvious methods in their plain form, for paired comparison on the same recordings."""
