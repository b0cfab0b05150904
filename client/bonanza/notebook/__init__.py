"""Studies in a notebook: pictures (extra ``plot``), data frames, and how studies and trials show themselves.

Loaded when first used: ``import bonanza`` needs neither matplotlib nor pandas.
"""
