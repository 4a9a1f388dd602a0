"""From a state to lines of coloured text, at any width (pure: no widget, no clock)."""
