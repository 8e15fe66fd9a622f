"""The command line in a process that kills itself: ``python killed.py POINT before|after ARGUMENT …``.

A point is a request that changes something, of the store or of the cluster, counted from 1; 0 kills nobody, and
prints how many there were.
"""

from __future__ import annotations

import sys

from engines.kubernetes.killing import killed_at
from fairlead.cli.main import call
from fairlead.kube.api import Api
from fairlead.store.remote import Remote

with killed_at(int(sys.argv[1]), sys.argv[2], {Remote: ("create", "put", "put_file"), Api: ("_send",)}):
    code = call(sys.argv[3:])
sys.exit(code)
