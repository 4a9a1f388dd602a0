"""The senses: what is strange, what belongs together, and what will run out (pure).

Numbers in, judgements out, one sample after the other, at constant cost a sample. The same code
judges a live fleet and a recording. ``docs/detection.md`` says which method does what, and why.
"""
