"""Placement policies, one file each: which node a pod goes to, and which GPU it shares."""
