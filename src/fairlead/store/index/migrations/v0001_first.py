"""The first schema: runs, labels, steps, metrics, and how far the catalog has been read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their indexes."""
    _make_runs()
    _make_steps()
    _make_metrics()
    op.create_table(
        "seen",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("store", sa.Text, nullable=False),
    )


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("finished", sa.Double),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("error", sa.Text),
    )
    op.create_index("runs_by_time", "runs", ["created", "run"])
    op.create_index("runs_by_flow", "runs", ["flow", "created", "run"])
    op.create_index("runs_by_status", "runs", ["status", "created", "run"])
    op.create_index("runs_by_flow_status", "runs", ["flow", "status", "created", "run"])
    op.create_table(
        "labels",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
    )
    op.create_index("labels_by_value", "labels", ["key", "value", "created", "run"])


def _make_steps() -> None:
    op.create_table(
        "steps",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("finished", sa.Double),
        sa.Column("artifact", sa.Text),
        sa.Column("error", sa.Text),
    )
    op.create_index("steps_by_time", "steps", ["created", "run", "ordinal"])
    op.create_index("steps_by_flow", "steps", ["flow", "created", "run", "ordinal"])
    op.create_index("steps_by_name", "steps", ["name", "created", "run", "ordinal"])
    op.create_index("steps_by_status", "steps", ["status", "created", "run", "ordinal"])
    op.create_index("steps_by_flow_status", "steps", ["flow", "status", "created", "run", "ordinal"])


def _make_metrics() -> None:
    op.create_table(
        "metrics",
        sa.Column("run", sa.Text, primary_key=True),
        sa.Column("step", sa.Text, primary_key=True),
        sa.Column("index", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("last", sa.Double),
        sa.Column("min", sa.Double),
        sa.Column("max", sa.Double),
        sa.Column("of_run", sa.Boolean, nullable=False),
    )
    op.create_index("metrics_by_value", "metrics", ["name", "of_run", "last", "run"])
