"""The real window on a virtual screen, with a real mouse and real keys."""
