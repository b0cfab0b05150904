"""The worker: asks for an architecture, measures it, tells the accuracy.

One process for the *daemon* (``daemon.py``), which talks to the server: it asks, heartbeats and tells, a thread for each *slot* (``slot.py``), and
answers signals. It never runs a line of training, so nothing a training does (a C call that holds the interpreter lock, a crash, the kernel's
out-of-memory killer) can cost a lease or a result. Each slot has an *evaluator's process* (``runner.py``), which does the training, sees one GPU (``places.py``)
and knows no server.

Importing this package loads neither torch nor numpy: only the evaluators that need them do, in the evaluator's process.
"""
