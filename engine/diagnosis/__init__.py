"""Diagnosis over anything that a system tells: which service is the cause, and why it is that one.

From telemetry to a ranking: ``families`` (what a metric measures, and of whom), ``deviation`` (how
far each signal is off its habit), ``witnesses`` and the accounts (whose trouble is whose), and
``ranking`` (probabilities, evidence, what was ruled out). ``culprit`` weighs what was changed.
"""
