#!/usr/bin/env bash
# Sets up the environment if needed and runs the tests.
#
#   bash tools/run_tests.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup_env.sh
"${VENV:-.venv}/bin/python" -m pytest "$@"
