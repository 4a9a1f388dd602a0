"""Diagnosis over anything that a system tells: which service is the cause, and why it is that one.

From telemetry to an answer: ``families`` (what a metric measures, and of whom), ``deviation`` (how
far each signal is off its habit), ``metrics``, ``spans`` and ``lines`` (whose trouble is whose),
``ranking`` (who is suspected, and why), ``finding`` (how sure that is, or that nothing is found).
``onset`` says when it began, ``diffs`` and ``culprit`` which change is to blame, ``merging`` what
several agents say together.
"""
