"""Insight: from a snapshot to causes. Pure: it reads no cluster, no store and no clock."""
