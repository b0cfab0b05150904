"""The worker: asks for an architecture, measures it, tells the accuracy.

Two processes a worker. The *daemon* (``daemon.py``) talks to the server: it asks, heartbeats and tells, and answers signals. It
never runs a line of training, so nothing a training does (a C call that holds the interpreter lock, a crash, the kernel's
out-of-memory killer) can cost a lease or a result. The *evaluator's process* (``runner.py``) does the training and knows no server.

Importing this package loads neither torch nor numpy: only the evaluators that need them do, in the evaluator's process.
"""
