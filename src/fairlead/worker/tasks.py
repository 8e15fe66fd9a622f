"""What a worker is told: which function, which inputs, where the results go."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from fairlead.specs.conditions import Path as Keys
from fairlead.specs.graphs import Export
from fairlead.specs.steps import Step
from fairlead.specs.values import Ref


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="from"):
    pass


class Given(_Part, frozen=True, tag="value"):
    """A JSON value."""

    value: Any


class Stored(_Part, frozen=True, tag="stored"):
    """A stored value, or the part of it that some keys lead to."""

    ref: Ref
    path: Keys = ()


class ListInput(_Part, frozen=True, tag="list"):
    """A list of inputs."""

    items: tuple[Input, ...]


class DictInput(_Part, frozen=True, tag="dict"):
    """A mapping of inputs."""

    items: dict[str, Input]


Input = Given | Stored | ListInput | DictInput


class Rank(msgspec.Struct, frozen=True):
    """The place of a process in its gang, in torchrun's words.

    Attributes:
        workers: For TensorFlow: the address of each rank's own server, by rank.
    """

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int
    node_rank: int
    nodes: int
    master_address: str
    master_port: int
    kind: str
    workers: tuple[str, ...] = ()


class ProjectCode(msgspec.Struct, frozen=True):
    """Where the user's code is: the flow's file, and a local file with the package of recorded sources."""

    file: str
    package: str | None = None


class Definition(msgspec.Struct, frozen=True):
    """A step that a driver may call, and the source parts of its cache key."""

    step: Step
    source: dict[str, str]


class PastCall(msgspec.Struct, frozen=True):
    """A call that a sweep made before it was restarted, and how it ended."""

    position: int
    inputs: dict[str, Input]
    status: str
    outputs: tuple[Ref, ...] = ()
    metrics: dict[str, tuple[float, float, float, int]] = {}


class WorkerTask(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one instance of a step, or one rank of it.

    Attributes:
        id: Names the task on the channel.
        exports: The scalars the record carries.
        split: The lists whose items are stored one by one.
        store: The store's URL.
        host: A folder of this machine for spooled files and marks.
        log: The file that takes the output.
        metrics: The file that takes what the step logs.
        packages: The folder of the packages that come before those of the image; empty where there are none.
        volumes: The folders that stand for volumes by name, where those are not mounted at their paths.
        scratch: The folder for temporary files, made for this task and removed after it; None for the system's.
        cache_key: Where the outcome is entered in the cache, or None.
        retry: Whether another attempt follows where this one fails, if that is known beforehand.
        retry_lost: Likewise where it is not the step that is to blame.
        threads: How many threads numeric libraries may use.
        memory_group: The control group that limits the memory, which the process joins first.
        definitions: For a sweep: the definitions it may call, by key.
        past: For a sweep that goes on: the calls it has made.
    """

    id: int
    run: str
    step: Step
    index: int
    number: int
    code: ProjectCode
    inputs: dict[str, Input]
    exports: tuple[Export, ...] = ()
    split: tuple[Export, ...] = ()
    store: str
    host: str
    packages: str = ""
    log: str | None
    metrics: str = ""
    volumes: dict[str, str] = {}
    scratch: str | None = None
    checkpoints: str
    cache_key: str | None = None
    retry: bool = False
    retry_lost: bool = False
    threads: int = 1
    variables: dict[str, str] = {}
    rank: Rank | None = None
    memory_group: str | None = None
    definitions: dict[str, Definition] = {}
    past: tuple[PastCall, ...] = ()


class _Message(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=True):
    pass


class Hello(_Message, frozen=True, kw_only=True):
    """The first message on a connection: a template, or a task that has something to say."""

    role: Literal["template", "task"]
    id: int
    pid: int


class Prepare(_Message, frozen=True, kw_only=True):
    """To a template: import this project, or, where it can't be forked then, have each fork import it."""

    code: ProjectCode
    bare: bool = False


class Ready(_Message, frozen=True, kw_only=True):
    """From a template: whether its forks start with the user's modules imported, and why not."""

    imported: bool
    reason: str = ""


class Fork(_Message, frozen=True, kw_only=True):
    """To a template: start a process. Without a task it imports the project and waits for one."""

    id: int
    task: bytes | None = None


class Work(_Message, frozen=True, kw_only=True):
    """To a waiting process: its task."""

    task: bytes


class Forked(_Message, frozen=True, kw_only=True):
    """From a template: a process was started."""

    id: int
    pid: int


class Exited(_Message, frozen=True, kw_only=True):
    """From a template: a process ended; `status` is as ``waitpid`` gives it.

    A task that has nothing left to do says it of itself, so that nobody waits for the system to clear it away.
    """

    id: int
    status: int
    peak_memory_bytes: int
    cpu_s: float
    template_died: bool = False


class Signal(_Message, frozen=True, kw_only=True):
    """To a template: signal a process and all it started."""

    id: int
    number: int


class Logged(_Message, frozen=True, kw_only=True):
    """From a task: values it logged."""

    id: int
    values: dict[str, float]
    at: float | None
    time: float


class Progressed(_Message, frozen=True, kw_only=True):
    """From a task: how far it is."""

    id: int
    done: float
    total: float | None


class Call(_Message, frozen=True, kw_only=True):
    """From a driver's task: run a step.

    Attributes:
        position: Counts the driver's calls.
        identity: Digest of the parent, the step, its arguments and the occurrence of the call.
        source: The source parts of the step's cache key.
        line: Where in the user's code the call stands.
        follow: Whether values that the step logs are wanted as they come.
        definitions: For a sweep: the definitions it refers to, with their source parts.
    """

    id: int
    position: int
    identity: str
    step: Step
    inputs: dict[str, Input]
    source: dict[str, str]
    line: str = ""
    follow: bool = False
    definitions: dict[str, Definition] = {}


class Answer(_Message, frozen=True, kw_only=True):
    """To a driver's task: how a call ended."""

    position: int
    status: str
    outputs: tuple[Ref, ...] = ()
    metrics: dict[str, tuple[float, float, float, int]] = {}
    reason: str = ""


class Followed(_Message, frozen=True, kw_only=True):
    """To a driver's task: a value that a running call logged."""

    position: int
    values: dict[str, float]
    at: float | None


class Stop(_Message, frozen=True, kw_only=True):
    """From a driver's task: end a call that is under way; its outcome so far is not wanted."""

    id: int
    position: int


FromWorker = Hello | Ready | Forked | Exited | Logged | Progressed | Call | Stop
ToWorker = Prepare | Fork | Work | Signal | Answer | Followed
