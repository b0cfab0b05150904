"""The tables. One row a trial, one an attempt, events append-only with a dense sequence per study.

Times are seconds since the epoch by the server's clock. The study row carries counters (trials by state, the next number, the next
event), so that neither an ask nor a tell ever counts rows; it is locked first by every change of state, which keeps them exact.
"""

from __future__ import annotations

import sqlalchemy as sa

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself only for INTEGER keys
Json = sa.JSON(none_as_null=True)
Float: sa.Double[float] = sa.Double()

spaces = sa.Table(
    "spaces",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("spec", Json, nullable=False),
)

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("project", sa.String(100), nullable=False, server_default="default"),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("space_hash", sa.String(64), sa.ForeignKey("spaces.hash"), nullable=False),
    # What a PUT compares: everything but the space.
    sa.Column("objectives", Json, nullable=False),
    sa.Column("strategy", Json, nullable=False),
    sa.Column("pruner", Json),  # nullable for the migration's sake; no row is without
    sa.Column("budget", Json, nullable=False),
    sa.Column("lease", Json, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("protocol", Json),
    sa.Column("tags", Json, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("phases", Json),
    sa.Column("consistency", sa.String(16), nullable=False, server_default="relaxed"),
    sa.Column("spec_hash", sa.String(64), nullable=False),  # of the body that created it, so that PUT again is a 200
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("state_reason", sa.Text),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Float, nullable=False),
    # Counters.
    sa.Column("next_number", sa.Integer, nullable=False),
    sa.Column("last_event", sa.BigInteger, nullable=False),
    sa.Column("started", sa.Integer, nullable=False),  # trials that ask has ever started: what max_trials bounds
    sa.Column("failures_in_a_row", sa.Integer, nullable=False),
    sa.Column("pending", sa.Integer, nullable=False),
    sa.Column("running", sa.Integer, nullable=False),
    sa.Column("complete", sa.Integer, nullable=False),
    sa.Column("pruned", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("infeasible", sa.Integer, nullable=False),
    sa.Column("cancelled", sa.Integer, nullable=False),
    sa.Column("best_number", sa.Integer),
    sa.Column("best_value", Float),
    # The phases: open, over (the cells to confirm are being chosen), confirmed.
    sa.Column("search_state", sa.String(16), nullable=False, server_default="open"),
    sa.Column("baselines", sa.Integer, nullable=False, server_default="0"),
    sa.Column("confirmations", sa.Integer, nullable=False, server_default="0"),
    # The model: what the results have come to, and what the newest fit has seen of them.
    sa.Column("results", sa.Integer, nullable=False),
    sa.Column("result_event", sa.BigInteger, nullable=False),
    sa.Column("fit_id", Id),
    sa.Column("fit_version", sa.Integer, nullable=False),
    sa.Column("fit_event", sa.BigInteger, nullable=False),
    sa.Column("fit_results", sa.Integer, nullable=False),
    sa.Column("fit_failures", sa.Integer, nullable=False),
    sa.Column(
        "fit_server", sa.String(36)
    ),  # the server process that fits now; good for as long as it gives signs of life
    sa.Column(
        "webhook_event", sa.BigInteger, nullable=False, server_default="0"
    ),  # the last one that needs no webhook any more
    sa.UniqueConstraint("project", "name"),
)

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("study_id", Id, sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("arch_id", sa.String(64), nullable=False),
    sa.Column("architecture", Json, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("repeat_of", sa.Integer),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("protocol", Json),  # of this trial alone; null: the study's
    sa.Column("front", sa.Integer, nullable=False),  # 1: was started before, comes back ahead of the queue
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("value", Float),
    sa.Column("metrics", Json),
    sa.Column("cost", Json),
    sa.Column("told_seed", sa.BigInteger),
    sa.Column("measurements", Json),
    sa.Column("error", Json),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("invalidated", sa.Boolean, nullable=False),
    sa.Column("started", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # leases that count against max_attempts
    sa.Column("leases", sa.Integer, nullable=False),  # all of them: the next attempt's number minus one
    sa.Column("live_attempt", sa.Integer),
    sa.Column("last_worker", sa.String(200)),
    sa.Column("checkpoint", sa.Text),
    sa.Column("directive", sa.String(16)),  # "prune", once its reports have called for that
    sa.Column("curve", Json),  # [step, value] of the pruner's metric, kept when it ended
    sa.Column("fit_version", sa.Integer),
    sa.Column("fit_event", sa.BigInteger),
    sa.Column("fit_rank", sa.Integer),
    sa.Column("mean", Float),
    sa.Column("std", Float),
    sa.Column("acquisition", Float),
    sa.Column("explanation", Json),
    sa.Column("tags", Json),
    sa.Column("note", sa.Text),
    sa.Column("created_at", Float, nullable=False),
    sa.Column("started_at", Float),
    sa.Column("finished_at", Float),
    # The referee: whoever inserts a cell first has it. An invalidated result frees its cell.
    sa.Index(
        "uq_trials_cell",
        "study_id",
        "arch_id",
        unique=True,
        sqlite_where=sa.text("repeat_of IS NULL AND NOT invalidated"),
        postgresql_where=sa.text("repeat_of IS NULL AND NOT invalidated"),
    ),
    sa.Index("ix_trials_state", "study_id", "state", "number"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("study_id", Id, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("worker_id", sa.String(200)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(16)),  # how it failed
    sa.Column("leased_at", Float, nullable=False),
    sa.Column("expires_at", Float, nullable=False),
    sa.Column("deadline", Float),  # trial_timeout_s: no heartbeat moves it
    sa.Column("heartbeat_at", Float),
    sa.Column("progress", Float),
    sa.Column("ended_at", Float),
    sa.Column("told", Json),  # what it told, to know a repeated tell from a conflicting one
    sa.Column("traceparent", sa.String(55)),  # the trace that its ask belongs to
    sa.Column("log_tail", sa.Text),  # the last lines that its training printed
    sa.ForeignKeyConstraint(["study_id", "number"], ["trials.study_id", "trials.number"], ondelete="CASCADE"),
    sa.Index(
        "uq_attempts_live",
        "study_id",
        "number",
        unique=True,
        sqlite_where=sa.text("state = 'leased'"),
        postgresql_where=sa.text("state = 'leased'"),
    ),
    sa.Index(
        "ix_attempts_expiry",
        "expires_at",
        sqlite_where=sa.text("state = 'leased'"),
        postgresql_where=sa.text("state = 'leased'"),
    ),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("study_id", Id, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("metrics", Json, nullable=False),
    sa.Column("at", Float, nullable=False),
    sa.ForeignKeyConstraint(["study_id", "number"], ["trials.study_id", "trials.number"], ondelete="CASCADE"),
)

features = sa.Table(
    "features",
    metadata,
    sa.Column("study_id", Id, sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("arch_id", sa.String(64), primary_key=True),
    sa.Column(
        "seq", sa.BigInteger, primary_key=True, autoincrement=False
    ),  # of the event that told them: later ones go before
    sa.Column("architecture", Json, nullable=False),
    sa.Column("known", Json, nullable=False),  # {name: value}
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("study_id", Id, sa.ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Float, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer),
    sa.Column("data", Json, nullable=False),
)

fits = sa.Table(
    "fits",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("study_id", Id, sa.ForeignKey("studies.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("event", sa.BigInteger, nullable=False),  # the sequence it had read up to; its generator's seed
    sa.Column("results", sa.Integer, nullable=False),
    sa.Column("observations", sa.Integer, nullable=False),
    sa.Column("seconds", Float, nullable=False),
    sa.Column("diagnostics", Json, nullable=False),
    sa.Column("pool", Json, nullable=False),  # ranked proposals; dropped when a newer fit comes
    sa.Column("created_at", Float, nullable=False),
    sa.UniqueConstraint("study_id", "version"),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("project", sa.String(100), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", Float, nullable=False, index=True),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("project", sa.String(100), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("report", Json, nullable=False),  # what it said last of itself
    sa.Column("registered_at", Float, nullable=False),
    sa.Column("seen_at", Float, nullable=False, index=True),
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("url_hash", sa.String(64), primary_key=True),
    sa.Column("since", Float, nullable=False),  # what happened before is no news to it
    sa.Column("holder", sa.String(36)),  # the server process that delivers, until then
    sa.Column("held_until", Float, nullable=False),
)

servers = sa.Table(
    "servers",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("alive_at", Float, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("project", sa.String(100), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("study", sa.String(100)),  # by name: a key may be made before its study
    sa.Column("parent", sa.String(12)),  # of a dashboard's session: the key it was opened with
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("created_at", Float, nullable=False),
    sa.Column("expires_at", Float),
    sa.Column("revoked_at", Float),
    sa.Column("last_used_at", Float),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", Float, nullable=False, index=True),
    sa.Column("project", sa.String(100), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("key", sa.String(12)),
    sa.Column("data", Json, nullable=False),
)
