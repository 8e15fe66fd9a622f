"""A launching pod, less its pod: ``python launched.py POINT before|after WORKFLOW LAUNCH STORE WORK``.

It may kill itself, as ``killed.py`` does. ``KUBECONFIG`` says which cluster it is in.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from engines.kubernetes.killing import killed_at
from fairlead.engines.kubernetes.inside.launching import Launcher
from fairlead.kube.api import Api
from fairlead.kube.client import Client
from fairlead.kube.connecting import connect
from fairlead.specs.contexts import Launch
from fairlead.store.backends import Folder
from fairlead.store.opening import open_backend

point, phase, workflow, launch, store, work = sys.argv[1:]
client = Client(connect())
told = msgspec.json.decode(launch, type=Launch)
launcher = Launcher(told, client, told.context.namespace, open_backend(store), Path(work))
with killed_at(int(point), phase, {Folder: ("create", "put", "put_file"), Api: ("_send",)}):
    code = launcher.run(workflow)
sys.exit(code)
