#!/usr/bin/env bash
# Make the virtual environment .venv for an extra of the package, or leave it where it is as it should be.
#
#   tools/environment.sh demo|dev
#
# PYTHON names the interpreter; otherwise the first of python3.14, 3.13, 3.12, 3.11 and python3 that fits is taken.
# The stamp .venv/.EXTRA holds a digest of what the environment was made from, and is written last: an environment
# whose making was interrupted, or whose requirements, place or interpreter have changed, is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
extra=$1
venv=.venv
made=$venv/.made-by-fairlead
PATH=:$PATH: # without the environment's own interpreter, where it is active: that one goes before it is made anew
PATH=${PATH//:$PWD\/$venv\/bin:/:} PATH=${PATH#:} PATH=${PATH%:}
system=${SYSTEM_PYTHON-/usr/bin/python3} # what apt-get install python3 gives

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

fits() { # the interpreter runs, and is of a version that the package supports
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1
}

has_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

venv_package() { # Debian has python3-venv for its own python3, and python3.X-venv for the others
    if [ "$(version_of "$system")" = "$1" ]; then echo python3-venv; else echo "python$1-venv"; fi
}

python_packages() { # the newest Python that fits, as far as apt knows one
    local version
    for version in 3.14 3.13 3.12 3.11; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            echo "python$version python$version-venv"
            return
        fi
    done
    echo "python3 python3-venv"
}

find_python() { # prints an interpreter; one that could make an environment is preferred to one that could not
    local candidate fitting=
    for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 $system}; do
        fits "$candidate" || continue
        if has_venv "$candidate"; then
            echo "$candidate"
            return
        fi
        fitting=${fitting:-$candidate}
    done
    echo "$fitting"
}

digest() { # of the interpreter, the place, the versions, and what pyproject.toml says of the package, not of its tools
    "$python" - "requirements/$1.txt" <<'END'
import hashlib, os, pathlib, sys, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text("utf-8"))
parts = [sys.version, sys.base_prefix, os.getcwd(), project["project"], project["build-system"],
         pathlib.Path(sys.argv[1]).read_text("utf-8")]
print(hashlib.sha256(repr(parts).encode()).hexdigest())
END
}

is_fresh() { # an environment for dev serves the demo too
    local each
    for each in "$1" dev; do
        if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.$each" 2>/dev/null)" = "$(digest "$each")" ]; then return 0; fi
    done
    return 1
}

python=$(find_python)
if [ -z "$python" ]; then
    if [ -n "${PYTHON:-}" ]; then fail "PYTHON=$PYTHON is no Python 3.11, 3.12, 3.13 or 3.14."; fi
    fail "Fairlead needs Python 3.11, 3.12, 3.13 or 3.14, and there is none here. This installs one:" \
        "  sudo apt-get install $(python_packages)"
fi
if ! has_venv "$python"; then
    fail "$python can't make virtual environments. This installs what it lacks:" \
        "  sudo apt-get install $(venv_package "$(version_of "$python")")"
fi
is_fresh "$extra" && exit 0

stale=
for each in demo dev; do
    if [ -e "$venv/.$each" ] && [ "$(cat "$venv/.$each")" != "$(digest "$each")" ]; then stale=yes; fi
done
if [ -e "$venv" ] && [ ! -e "$made" ]; then
    fail "$PWD/$venv was not made by this Makefile. Remove it, or move it away, and run make again:" \
        "  mv $venv $venv.mine"
fi
if [ -n "$stale" ] || { [ -e "$venv" ] && [ ! -e "$venv/.demo" ] && [ ! -e "$venv/.dev" ]; }; then
    rm -rf "$venv"
fi
if [ ! -e "$venv" ]; then
    echo "making $venv with $("$python" -V)"
    mkdir "$venv"
    touch "$made"
    "$python" -m venv "$venv"
fi
echo "installing fairlead[$extra] into $venv (a few minutes at the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint "requirements/$extra.txt" --editable ".[$extra]"
digest "$extra" >"$venv/.$extra"
