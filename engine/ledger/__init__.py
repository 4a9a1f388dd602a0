"""The ordered, hash-chained record of everything that mattered, and its offline verifier."""
