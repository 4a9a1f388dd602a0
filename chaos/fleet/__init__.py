"""The shop: a small fleet of real processes to rehearse on."""
