"""The brain: strategies as functions of a study's history. It knows no SQL and no HTTP.

``spec`` and ``history`` are plain Python, and importing this package loads neither numpy nor torch: the API process validates a
strategy here but never runs one.
"""
