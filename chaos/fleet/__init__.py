"""The shop: a small fleet of real processes to rehearse on.

``orchestrator`` brings everything up and takes it down; ``floor`` knows the runs of the services;
``process`` starts one so that it cannot outlive us. ``service`` is each of the six services, with
its business in ``shop/`` and its releases in ``releases``; ``stores`` are PostgreSQL and Redis.
``repairs`` and ``drills`` answer at two doors with separate tokens. ``load`` and ``probe`` are the
customers; ``integrity`` compares what they were told with what the database holds.
"""
