"""The state machine of studies, trials and attempts, inside one transaction at a time.

Trial: ``pending`` -> ``running`` -> ``complete`` | ``pruned`` | ``failed`` | ``infeasible`` | ``cancelled``.
Attempt: ``leased`` -> ``succeeded`` | ``pruned`` | ``failed(kind)`` | ``released`` | ``expired`` | ``superseded``.
"""
