"""Starts a module of Fairlead's worker in an image that knows nothing of it: ``python3 start.py MODULE ARGUMENT …``.

Lies beside the folders that were delivered with it: ``any``, and ``cp311`` and its like for what was compiled for one
Python. They come last on the path of modules, so that an image's own packages are what the user's code imports.
"""

import os
import runpy
import sys


def main() -> None:
    """Run the module."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = os.path.join(here, "cp{}{}".format(*sys.version_info[:2]))
    if not os.path.isdir(own):
        known = ", ".join(sorted(each[2:3] + "." + each[3:] for each in os.listdir(here) if each.startswith("cp")))
        sys.exit(f"fairlead: this image has Python {sys.version.split()[0]}; the worker knows: {known}")
    sys.path[0:1] = []
    sys.path += [own, os.path.join(here, "any")]
    os.environ["FAIRLEAD_START"] = os.path.abspath(__file__)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


main()
