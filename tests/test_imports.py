"""What starts without torch, and that imports run one way."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
PACKAGE = REPO / 'mmcellseg'
LIGHT = ('structures', 'data', 'evaluation', 'ensemble', 'export', 'slides', 'reporting', 'synthetic')
HEAVY = ('torch', 'mmengine', 'mmdet', 'mmcv')
TOOLS = runpy.run_path(str(REPO / 'tools/analysis_tools/benchmark_cases/start.py'))['LIGHT']
# A folder may import those on its own row and the rows above it.
FLOORS = (
    {'structures'},
    {'data'},
    {'evaluation', 'ensemble', 'synthetic'},
    {'export', 'slides', 'reporting'},
    {'components'},
    {'runs'},
    {'doctor'},
)


def loaded_after(code: str) -> str:
    """Which of the heavy packages a fresh process has loaded after ``code``."""
    code += f'\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def modules(folder: str) -> list[str]:
    paths = sorted((PACKAGE / folder).rglob('*.py'))
    return ['.'.join(path.relative_to(REPO).with_suffix('').parts).removesuffix('.__init__') for path in paths]


@pytest.mark.parametrize('folder', LIGHT)
def test_light_folders_start_without_torch(folder):
    assert loaded_after('\n'.join(f'import {name}' for name in modules(folder))) == '[]'


@pytest.mark.parametrize('tool', TOOLS)
def test_light_tools_start_without_torch(tool):
    path = REPO / 'tools' / tool
    run = f'import runpy, sys\nsys.argv = [{str(path)!r}, "--help"]\n'
    run += f'try:\n    runpy.run_path({str(path)!r}, run_name="__main__")\nexcept SystemExit:\n    pass'
    assert loaded_after(run) == '[]'


def test_the_package_itself_imports_nothing():
    tree = ast.parse((PACKAGE / '__init__.py').read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_imports_run_one_way():
    floor = {folder: number for number, folders in enumerate(FLOORS) for folder in folders}
    upward = []
    for folder, number in floor.items():
        for path in sorted((PACKAGE / folder).rglob('*.py')):
            depth = len(path.relative_to(PACKAGE).parts)
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
                    target = node.module.split('.')[0]
                    if floor.get(target, 0) > number:
                        upward.append(f'{path.relative_to(PACKAGE)} imports {target}')
    assert not upward
