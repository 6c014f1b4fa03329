"""The cases of benchmark.py at their small sizes: each runs, and its table has the columns that the docs quote."""

import json
import multiprocessing
import runpy
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools'
OURS = {'what', 'ours s', 'ours MB'}
COMPARED = OURS | {'stock s', 'times faster', 'stock MB', 'times less memory'}
FIGURES = {'segm_AP50', 'least gain segm_AP50', 'segm_AP', 'least gain segm_AP'}
SLIDE = {'what', 'cells', 's', 'peak MB'}
# The columns of each row. train is left out: it takes minutes.
CASES = {
    'assign': [COMPARED] * 2,
    'convert': [COMPARED],
    'ensemble': [OURS | {'CPU s'}] * 2 + [COMPARED],
    'evaluate': [COMPARED | {'ours AP', 'stock AP'}, OURS],
    'fusions': [{'what', 'cells', 'seeds', *FIGURES}] * 5,
    'load': [COMPARED],
    'predict': [COMPARED],
    'slide': [SLIDE | {'detector s', 'seams and files s', 'files MB'}, SLIDE | {'network s', 'all else %'}],
    'start': [{'what', 's', 'MB'}] * 12,
    'targets': [COMPARED],
}


def call(case, path):
    """Rows of the case, in a process that has not run torch: the cases fork, which torch's threads do not survive."""
    sys.argv = ['benchmark.py', case, '--quick', '--json', str(path)]
    runpy.run_path(str(TOOLS / 'benchmark.py'), run_name='__main__')
    return json.loads(path.read_text())


@pytest.fixture(scope='module')
def process():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:
        yield pool


@pytest.mark.parametrize(
    'case', [pytest.param(c, marks=pytest.mark.slow) if c in ('ensemble', 'slide') else c for c in CASES]
)
def test_rows(case, process, tmp_path):
    rows = process.submit(call, case, tmp_path / 'rows.json').result()
    assert [set(row) for row in rows] == CASES[case]
    assert all(row['what'] for row in rows)
    if case == 'evaluate':
        assert 0 < rows[0]['ours AP'] < 1


def test_every_case_is_listed():
    found = {path.stem for path in (TOOLS / 'benchmark_cases').glob('[a-z]*.py')}
    assert found == {*CASES, 'train', 'measure', 'cells'}
