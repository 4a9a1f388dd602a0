"""The terminal console: pure drawing (``draw``), one widget that shows lines, and the app."""
