"""Where state lies, and which store and index are used: from the environment, a file, or the default."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import UsageError, nearest
from fairlead.runs import contexts
from fairlead.runs.home import home
from fairlead.specs.contexts import LOCAL, Context
from fairlead.specs.reports import SettingReport
from fairlead.store.opened import Store

SETTINGS = {
    "context": "where runs go, and whose store is read: 'local', or a name of fairlead context ls",
    "store": "the artifact store: a folder or an s3://, gs:// or az:// URL; FAIRLEAD_HOME where it is not given",
    "index": "the SQL index: a sqlite:/// or postgresql:// URL; index.sqlite in FAIRLEAD_HOME where it is not given",
    "parallel": "how many steps run at once at most; as many as fit where it is not given",
}
"""Every setting: its name in config.toml, in upper case after FAIRLEAD_ in the environment, and its meaning."""


_MEANING_OF_HOME = "the folder of all state; from FAIRLEAD_HOME only"


class Setting(NamedTuple):
    """A setting's value, and where it comes from."""

    name: str
    value: str | None
    origin: str


def config_file() -> Path:
    """Return the file that settings are read from."""
    return home() / "config.toml"


def settings() -> dict[str, Setting]:
    """Return every setting with its origin: the environment before the file before the default.

    Raises:
        UsageError: The file is no TOML, or has a setting that does not exist.
    """
    written = _read_file(config_file())
    found = {}
    for name in SETTINGS:
        variable = f"FAIRLEAD_{name.upper()}"
        if os.environ.get(variable):
            found[name] = Setting(name, os.environ[variable], f"the environment variable {variable}")
        elif name in written:
            found[name] = Setting(name, str(written[name]), str(config_file()))
        elif name == "context" and contexts.current() != LOCAL:
            found[name] = Setting(name, contexts.current(), "fairlead context use")
        else:
            found[name] = Setting(name, _default(name), "the default")
    return found


def chosen_context() -> str:
    """Return the name of the context that this command is about."""
    return settings()["context"].value or LOCAL


def describe_settings() -> list[SettingReport]:
    """Return every setting with its meaning, and the folder of all state first; passwords are left out."""
    variable = "FAIRLEAD_HOME"
    origin = f"the environment variable {variable}" if os.environ.get(variable) else "the default"
    place = SettingReport(name="home", value=str(home()), origin=origin, meaning=_MEANING_OF_HOME)
    others = [
        SettingReport(
            name=each.name, value=_without_password(each.value), origin=each.origin, meaning=SETTINGS[each.name]
        )
        for each in settings().values()
    ]
    return [place, *others]


def _without_password(url: str | None) -> str | None:
    if url is None:
        return None
    hidden = re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", url)
    return re.sub(r"([?&]\w*(?:password|passfile|token|secret)\w*=)[^&]*", r"\1***", hidden, flags=re.IGNORECASE)


def _default(name: str) -> str | None:
    return {"context": LOCAL, "store": str(home()), "index": f"sqlite:///{home() / 'index.sqlite'}"}.get(name)


def _read_file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"cannot read {path}", why=error.strerror or str(error)) from error
    import tomllib  # lazy: tomllib, 6 ms; only where there is a file

    try:
        found: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML", why=str(error), next="edit it") from error
    for name in found:
        if name not in SETTINGS:
            raise UsageError(f"{path} has an unknown setting {name!r}", next=nearest(name, SETTINGS))
    return found


def open_store(url: str | None = None) -> Store:
    """Open the store that is given, or that of the context which the settings name.

    A context's store may be that of this machine too: then the variables that the context names count as well.
    """
    if url is None and chosen_context() != LOCAL:
        return open_store_of(contexts.find(chosen_context()))
    found = url or settings()["store"].value or str(home())
    for name in contexts.names() if "://" in found else ():
        context = contexts.find(name)
        if context.store.rstrip("/") == found.rstrip("/"):
            return open_store_of(context)
    return Store(found, home() / "host")


def open_store_of(context: Context) -> Store:
    """Open the store of a context, with the variables that it names.

    Raises:
        UsageError, StoreError: It can't be used.
    """
    os.environ.update(contexts.store_variables(context))
    return Store(context.store, home() / "host")
