"""A real Kubernetes of one node on this machine, for development and CI: ``python -m testbed up``.

It is a tool of the repository, not part of the package: standard library only, and nothing of ``fairlead`` is
imported. ``docs/testbed.md`` describes it.
"""
