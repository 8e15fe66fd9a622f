#!/usr/bin/env bash
# Run the fast tier of the tests, then the tests that need a Kubernetes cluster: on CI, and where a testbed is up.
#
#   tools/test.sh [what pytest is given]
#
# On CI (CI=true) what must be built is built first, so that no test waits for a compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python

[ "${CI:-}" != true ] || $python -m testbed build
$python -m pytest -m "not slow and not cluster and not components" -n auto --dist loadfile "$@"
if [ "${CI:-}" = true ]; then
    $python -m testbed up
elif [ -z "${FAIRLEAD_TEST_KUBECONFIG:-}" ] && ! $python -m testbed status >/dev/null 2>&1; then
    echo "the tests that need a Kubernetes cluster were left out: make test-cluster"
    exit
fi
[ -n "${FAIRLEAD_TEST_KUBECONFIG:-}" ] || $python -m testbed context >/dev/null # builds the images of tests, once
# a test waits for pods most of the time
$python -m pytest -m "cluster and not slow" -n 4 "$@" || [ $? = 5 ] # 5: none of the chosen tests needs a cluster
