"""The trace of each attempt, and how far the webhooks have come: revision 0006, after 0004."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("traceparent", sa.String(length=55), nullable=True))
    op.add_column("studies", sa.Column("webhook_event", sa.BigInteger(), server_default="0", nullable=False))
    studies = sa.table("studies", sa.column("webhook_event"), sa.column("last_event"))
    op.execute(sa.update(studies).values(webhook_event=studies.c.last_event))  # what is past is no news
    op.create_table(
        "webhooks",
        sa.Column("url_hash", sa.String(length=64), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=True),
        sa.Column("held_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("url_hash", name=op.f("pk_webhooks")),
    )


def downgrade() -> None:
    op.drop_table("webhooks")
    op.drop_column("studies", "webhook_event")
    op.drop_column("attempts", "traceparent")
