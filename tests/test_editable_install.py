"""The editable install is found from everywhere, the folder above the clone included."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
BUILD = 'import sys; from setuptools import build_meta; print(build_meta.build_editable(sys.argv[1]))'
IMPORT = (
    'import site, sys; site.addsitedir(sys.argv[1]); import mmcellseg; print(mmcellseg.__file__, mmcellseg.__version__)'
)


def run_python(*arguments: object, cwd: Path) -> str:
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_clone_does_not_shadow_the_install_in_the_folder_above_it(tmp_path):
    """``import mmcellseg`` beside a clone called mmcellseg: Python would take the clone itself for a package."""
    clone, site = tmp_path / 'mmcellseg', tmp_path / 'site'
    (clone / 'mmcellseg').mkdir(parents=True)
    for name in ('pyproject.toml', 'README.md', 'mmcellseg/__init__.py'):
        shutil.copy(REPO / name, clone / name)
    wheel = run_python('-c', BUILD, tmp_path, cwd=clone)
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        archive.extractall(site)
    for folder in (tmp_path, clone, clone / 'mmcellseg', site):
        # -S: without the packages of this environment, mmcellseg among them.
        assert run_python('-S', '-c', IMPORT, site, cwd=folder).startswith(f'{clone}/mmcellseg/__init__.py ')
