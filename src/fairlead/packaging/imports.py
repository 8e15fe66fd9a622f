"""Follow imports through a project as they are written, without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fairlead.packaging.project import Project
from fairlead.packaging.sizes import check_sizes
from fairlead.packaging.syntax import Syntax, read_syntax
from fairlead.packaging.texts import Texts, texts_of
from fairlead.packaging.trees import Import


def import_closure(project: Project) -> dict[str, bytes]:
    """Return the project's files that the flow's file imports, itself included: the code package of a run.

    Modules imported by a computed name are not found.

    Returns:
        Path below the project's root -> source, in the order of the paths.

    Raises:
        UsageError: They are larger than 64 MiB together.
    """
    texts = texts_of(project)
    contents = {project.relative(path): texts.read(path) for path in reached_files(texts)}
    sizes = {name: len(data) for name, data in contents.items()}
    check_sizes(project, sizes, "keep data in a file that a step reads, not in a module")
    return dict(sorted(contents.items()))


def reached_files(texts: Texts) -> set[str]:
    """Return the files that are imported, at any depth, where the flow's file is."""
    project = texts.project
    todo = [*packages_of(texts, project.module), (project.module, str(project.file))]
    seen: set[str] = set()
    while todo:
        module, path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        syntax = syntax_of(texts, module, path)
        facts = syntax.facts()
        for each in syntax.imports(facts):
            todo += [*packages_of(texts, each.module), *targets(texts, each, facts.attributes)]
    return seen


def syntax_of(texts: Texts, module: str, path: str) -> Syntax:
    """Return the syntax of a module as this process runs it."""
    return read_syntax(module, path, texts.read(path))


def targets(texts: Texts, each: Import, attributes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the project's modules that an import names, as dotted name and file; not the packages around them.

    A submodule counts where the import names it, where it follows a dot (`attributes`), or where a star takes it.
    """
    path = texts.locate(each.module) if each.module else None
    if path is not None:
        yield each.module, path
    if path is not None and os.path.basename(path) != "__init__.py":
        return
    inner = set(each.names) if each.names else set(attributes)
    if "*" in inner and path is not None:
        inner |= set(syntax_of(texts, each.module, path).exports())
    for name in sorted(inner):
        found = texts.locate(f"{each.module}.{name}")
        if found is not None:
            yield f"{each.module}.{name}", found
            if each.names and os.path.basename(found) == "__init__.py":
                yield from targets(texts, Import(f"{each.module}.{name}"), attributes)


def packages_of(texts: Texts, module: str) -> Iterator[tuple[str, str]]:
    """Yield the packages that importing a dotted name runs first, outermost first."""
    parts = module.split(".")
    for count in range(1, len(parts)):
        name = ".".join(parts[:count])
        path = texts.locate(name)
        if path is not None:
            yield name, path
