"""Starts a module of Fairlead's worker in an image that knows nothing of it: ``python3 start.py MODULE ARGUMENT …``.

Lies beside the folders that were delivered with it: ``any``, and ``cp311`` and its like for what was compiled for one
Python. They come last on the path of modules, so that an image's own packages are what the user's code imports.
A step's own packages, if it has some, come before those of the image, and after the standard library.
"""

import os
import runpy
import site
import sys


def main() -> None:
    """Run the module."""
    here = os.path.dirname(os.path.abspath(__file__))
    own = os.path.join(here, "cp{}{}".format(*sys.version_info[:2]))
    if not os.path.isdir(own):
        known = ", ".join(sorted(each[2:3] + "." + each[3:] for each in os.listdir(here) if each.startswith("cp")))
        sys.exit(f"fairlead: this image has Python {sys.version.split()[0]}; the worker knows: {known}")
    sys.path[0:1] = []
    for folder in filter(None, os.environ.pop("FAIRLEAD_VARIABLES", "").split(os.pathsep)):
        add_variables(folder)
    packages = os.environ.pop("FAIRLEAD_PACKAGES", "")
    if packages:
        add_packages(packages)
    sys.path += [own, os.path.join(here, "any")]
    os.environ["FAIRLEAD_START"] = os.path.abspath(__file__)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def add_variables(folder: str) -> None:
    """Make each file of a folder, where a Secret lies, the variable of its name; those that are there stay."""
    for name in os.listdir(folder):
        if not name.startswith("."):  # the volume's own
            with open(os.path.join(folder, name)) as file:
                os.environ.setdefault(name, file.read())


def add_packages(folder: str) -> None:
    """Put a folder of packages before those of the image: for this process, and for those that it starts."""
    before = list(sys.path)
    site.addsitedir(folder)  # which heeds .pth files, as for every folder of packages
    added = [each for each in sys.path if each not in before]
    ends = ("site-packages", "dist-packages")
    images = [number for number, each in enumerate(before) if each.endswith(ends)]
    place = images[0] if images else len(before)
    sys.path[:] = [*before[:place], *added, *before[place:]]
    for name, path in (("PYTHONPATH", folder), ("PATH", os.path.join(folder, "bin"))):
        os.environ[name] = os.pathsep.join(filter(None, (path, os.environ.get(name))))


main()
