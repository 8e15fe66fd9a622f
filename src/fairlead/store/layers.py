"""Layers: the packages of a lock, installed once for each kind of Python and platform, and shared by all runs.

A layer is an entry that names its lock, and an object with the archive. Which kind of Python an image has is known
only in its pods. They write it down, so that whoever submits a run can say whether the layer is there. What is
written down of an image may be out of date, where its name was given to another image: a pod looks for the layer of
the Python that it has itself, and corrects the entry.

A layer that was found is kept from a collection as the cache is: in a remote store it is not used while a collector
is at work, and is built anew; a run's spec, which names the lock, is written before its layer is looked for.
"""

from __future__ import annotations

import os
import sysconfig

import msgspec

from fairlead.errors import NotFoundError
from fairlead.naming import digest_bytes
from fairlead.specs.values import Ref
from fairlead.store.backends import Backend, Folder
from fairlead.store.layout import LAYERS, PLATFORMS, object_key
from fairlead.store.leases import collector, use
from fairlead.store.records import decode, encode


class Layer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The entry of a layer.

    Attributes:
        lock: The digest of the lock.
        platform: For what it was built, see `platform`.
        archive: Its files.
        created: When it was made, in seconds since 1970.
    """

    lock: str
    platform: str
    archive: Ref
    created: float


class _Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    image: str
    platform: str


def platform() -> str:
    """Return for what packages are installed here: ``cpython-311-x86_64-linux-gnu linux-x86_64 glibc 2.36``.

    The library of C is part of it: a wheel that was chosen where it is newer may not load where it is older.
    """
    abi = sysconfig.get_config_var("SOABI") or ""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # another library than glibc, which the ABI names
        libc = ""
    return " ".join(filter(None, (abi, sysconfig.get_platform(), libc)))


def layer_key(lock: str, platform: str) -> str:
    """Return the key of a layer's entry."""
    return LAYERS + digest_bytes(msgspec.json.encode([lock, platform]))


def read_layer(backend: Backend, lock: str, platform: str) -> Layer | None:
    """Return the entry of a layer, or None where there is none."""
    key = layer_key(lock, platform)
    try:
        return decode(backend.get(key), Layer, key=key)
    except NotFoundError:
        return None


def held_layer(backend: Backend, lock: str, platform: str) -> Layer | None:
    """Return a layer whose archive is there, kept from a collection that is under way; else None."""
    layer = read_layer(backend, lock, platform)
    if layer is None:
        return None
    key = object_key(layer.archive.digest)
    if isinstance(backend, Folder):
        return layer if use(backend, key) else None
    found = backend.list_after("objects/", key[:-1], limit=16)  # what has all digits but the last in common, or follows
    is_there = any(each.key == key and each.size == layer.archive.size_bytes for each in found)
    return layer if is_there and collector(backend) is None else None


def is_known(backend: Backend, lock: str, image: str) -> bool:
    """Say whether the layer of a lock is there for an image, as far as is known of the image."""
    key = _image_key(image)
    try:
        known = decode(backend.get(key), _Image, key=key)
    except NotFoundError:
        return False
    return held_layer(backend, lock, known.platform) is not None


def note_platform(backend: Backend, image: str, platform: str) -> None:
    """Write down which platform an image has."""
    backend.put(_image_key(image), encode(_Image(image=image, platform=platform)))


def enter_layer(backend: Backend, layer: Layer) -> None:
    """Enter a layer whose archive is in the store, unless another was entered meanwhile that can be used."""
    key = layer_key(layer.lock, layer.platform)
    if not backend.create(key, encode(layer)) and held_layer(backend, layer.lock, layer.platform) is None:
        backend.put(key, encode(layer))


def forget_layer(backend: Backend, layer: Layer) -> None:
    """Remove a layer that can't be used: its entry first, so that nobody finds it without its archive."""
    backend.delete(layer_key(layer.lock, layer.platform))
    backend.delete(object_key(layer.archive.digest))


def _image_key(image: str) -> str:
    return PLATFORMS + digest_bytes(image.encode())
