#!/usr/bin/env bash
# Sets up the environment if needed and runs the tests.
#
#   bash tools/run_tests.sh [pytest arguments]      TEST_WORKERS=8 for more processes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup_env.sh
# Two processes of one thread each are faster than one of two; files stay together because they share fixtures.
OMP_NUM_THREADS=1 "${VENV:-.venv}/bin/python" -m pytest -n "${TEST_WORKERS:-2}" --dist loadfile "$@"
