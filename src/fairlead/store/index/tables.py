"""The tables of the index as its queries use them. What makes them in a database is in ``migrations/``.

Times are seconds since 1970. `created` of a run is repeated in the tables that are listed by it, so that one page
of any listing is read from an index in its order, whatever the size of the table.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = "0001"
"""The newest migration. A database with a higher one was made by a newer Fairlead."""

VERSION_TABLE = "alembic_version"

METADATA = sa.MetaData()

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("flow", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("finished", sa.Double),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("params", sa.Text, nullable=False),  # JSON
    sa.Column("metrics", sa.Text, nullable=False),  # JSON with NaN and Infinity: the run's own values by name
    sa.Column("reason", sa.Text),
    sa.Column("error", sa.Text),  # the type of its first failed step's exception
    sa.Index("runs_by_time", "created", "run"),
    sa.Index("runs_by_flow", "flow", "created", "run"),
    sa.Index("runs_by_status", "status", "created", "run"),
    sa.Index("runs_by_flow_status", "flow", "status", "created", "run"),
)

LABELS = sa.Table(
    "labels",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Index("labels_by_value", "key", "value", "created", "run"),
)

STEPS = sa.Table(
    "steps",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),  # its place in the run's report
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("flow", sa.Text, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("artifact", sa.Text),
    sa.Column("error", sa.Text),  # the type of its last attempt's exception
    sa.Index("steps_by_time", "created", "run", "ordinal"),
    sa.Index("steps_by_flow", "flow", "created", "run", "ordinal"),
    sa.Index("steps_by_name", "name", "created", "run", "ordinal"),
    sa.Index("steps_by_status", "status", "created", "run", "ordinal"),
    sa.Index("steps_by_flow_status", "flow", "status", "created", "run", "ordinal"),
)

METRICS = sa.Table(
    "metrics",
    METADATA,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("last", sa.Double),  # null is NaN, which SQLite does not hold
    sa.Column("min", sa.Double),
    sa.Column("max", sa.Double),
    sa.Column("of_run", sa.Boolean, nullable=False),  # of the steps that logged the name, the last: the run's value
    sa.Index("metrics_by_value", "name", "of_run", "last", "run"),
)

SEEN = sa.Table(
    "seen",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),  # a transition of the catalog that is taken in
    sa.Column("store", sa.Text, nullable=False),  # whose catalog
)

OF_A_RUN = (RUNS, LABELS, STEPS, METRICS)
"""The tables that hold what is known of a run."""
