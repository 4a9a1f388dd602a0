"""Deploying through real CDK: plan, approve, apply, check, bake, and the way back.

``machine`` is the core: a run is the fold of its journal. ``hazards``, ``permissions``, ``cost``,
``stacks`` and ``progress`` judge what the cloud says, and are pure too. ``conductor`` carries out
what the machine asks for, with ``cdk`` and ``cloud`` as its hands.
"""
