"""Workers that tell how they are, and early stopping: revision 0002, after 0001."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("project", sa.String(length=100), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("report", JSON, nullable=False),
        sa.Column("registered_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_workers")),
    )
    op.create_index(op.f("ix_workers_seen_at"), "workers", ["seen_at"], unique=False)
    # Added as they are, not by copying the tables: a study may hold millions of rows.
    op.add_column("studies", sa.Column("pruner", JSON, nullable=True))
    op.add_column("trials", sa.Column("directive", sa.String(length=16), nullable=True))
    op.add_column("trials", sa.Column("curve", JSON, nullable=True))
    studies = sa.table("studies", sa.column("pruner", JSON))
    op.execute(sa.update(studies).values(pruner={"name": "none"}))


def downgrade() -> None:
    op.drop_column("trials", "curve")
    op.drop_column("trials", "directive")
    op.drop_column("studies", "pruner")
    op.drop_index(op.f("ix_workers_seen_at"), table_name="workers")
    op.drop_table("workers")
