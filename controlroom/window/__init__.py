"""The 3D window: the fleet, the council and every consensus message, live or replayed."""
