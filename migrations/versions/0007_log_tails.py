"""The last lines that trainings print: revision 0007, after 0006."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("log_tail", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "log_tail")
