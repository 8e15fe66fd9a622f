"""The engine that submits runs to a cluster, and watches them there."""
