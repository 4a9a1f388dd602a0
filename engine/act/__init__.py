"""Acting: the catalogue of typed actions, the actuator, and the executors it drives."""
