"""The set-up's own shell functions."""

import os
import re
import subprocess
import sys

import pytest
from mmcv.ops import get_compiling_cuda_version
from tiny_run import REPO

SCRIPT = (REPO / 'tools/setup_env.sh').read_text()


def function(name):
    """The text of a function of the script."""
    return re.search(
        rf'^{name}\(\) {{(.*}}|.*?^}})$', SCRIPT, re.MULTILINE | (re.DOTALL if name == 'mmcv_fits' else 0)
    )[0]


@pytest.fixture
def returns(tmp_path):
    """A function: calls one of the script's on a machine with four GPUs, and gives its exit status."""
    smi = tmp_path / 'nvidia-smi'
    smi.write_text('#!/bin/sh\nfor i in 0 1 2 3; do echo "GPU $i: a card"; sleep 0.05; done\n')
    smi.chmod(0o755)
    path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    parts = [function(name) for name in ('installed', 'pin', 'has_gpu', 'mmcv_fits')]

    def call(name, **environment):
        script = '\n'.join(['set -euo pipefail', *parts, name])
        environment = {**os.environ, 'PATH': path, 'CPU_ONLY': '0', 'VENV': sys.prefix, **environment}
        return subprocess.run(['bash', '-c', script], env=environment, cwd=REPO, check=False).returncode

    return call


def test_a_machine_with_several_gpus_has_a_gpu(returns):
    """Though nvidia-smi writes on after the first of them is found."""
    assert returns('has_gpu') == 0
    assert returns('has_gpu', CPU_ONLY='1') == 1


def test_mmcv_fits_if_its_ops_load_and_know_the_machines_accelerator(returns, tmp_path):
    assert returns('mmcv_fits', CPU_ONLY='1') == 0
    assert (returns('mmcv_fits') == 0) == (get_compiling_cuda_version() != 'not available')
    assert returns('mmcv_fits', CPU_ONLY='1', VENV=str(tmp_path)) == 1
