"""Features of cells that are known without training them: revision 0008, after 0007."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "features",
        sa.Column("study_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("arch_id", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("architecture", sa.JSON(), nullable=False),
        sa.Column("known", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_features_study_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study_id", "arch_id", "seq", name=op.f("pk_features")),
    )


def downgrade() -> None:
    op.drop_table("features")
