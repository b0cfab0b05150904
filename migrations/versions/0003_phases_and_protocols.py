"""The phases of a study, its consistency, and trials by a protocol of their own: revision 0003, after 0002."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studies", sa.Column("phases", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("studies", sa.Column("consistency", sa.String(length=16), server_default="relaxed", nullable=False))
    op.add_column("studies", sa.Column("search_state", sa.String(length=16), server_default="open", nullable=False))
    op.add_column("studies", sa.Column("baselines", sa.Integer(), server_default="0", nullable=False))
    op.add_column("studies", sa.Column("confirmations", sa.Integer(), server_default="0", nullable=False))
    op.add_column("trials", sa.Column("protocol", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("trials", "protocol")
    for column in ("confirmations", "baselines", "search_state", "consistency", "phases"):
        op.drop_column("studies", column)
