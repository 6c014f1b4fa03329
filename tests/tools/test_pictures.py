"""Pictures of errors, and of figures over the time of training."""

import json
import runpy
from pathlib import Path

import pytest
from drawn_cells import annotations, predictions, rectangle
from PIL import Image

from mmcellseg.reporting.records import write_record
from mmcellseg.structures.results import write_results

TOOLS = Path(__file__).resolve().parents[2] / 'tools/analysis_tools'


def test_each_outcome_has_its_colour(tmp_path):
    def square(x, y):
        return rectangle((40, 60), x, y, x + 10, y + 10)

    places = {'right': (2, 2), 'wrong class': (22, 2), 'missed': (42, 2), 'spurious': (2, 22)}
    right, other, missed, spurious = (square(*place) for place in places.values())
    Image.new('RGB', (60, 40)).save(tmp_path / '1.tif')
    (tmp_path / 'annotations').mkdir()
    ann = tmp_path / 'annotations/val.json'
    ann.write_text(json.dumps(annotations({1: (40, 60)}, [(1, 1, right), (1, 1, other), (1, 2, missed)])))
    found = [(1, 1, right, 0.9), (1, 2, other, 0.9), (1, 1, spurious, 0.9)]
    write_results(tmp_path / 'r.json', predictions(found))
    tool = runpy.run_path(str(TOOLS / 'contours.py'))
    drawn, nothing = (tool['draw_errors'](tmp_path / 'r.json', ann, 1, score) for score in (0.5, 0.95))
    top, zoom = 3 * tool['LETTERS'] // 2, tool['ZOOM']  # the title is above
    assert {name: tuple(drawn[top + zoom * y, zoom * x].tolist()) for name, (x, y) in places.items()} == tool['COLOURS']
    assert tuple(nothing[top + zoom * 2, zoom * 2].tolist()) == tool['COLOURS']['missed']


def test_hours_are_those_of_all_trainings_of_the_weights(tmp_path):
    def record(name, hours, kind='train', **facts):
        config = {'file': f'{name}.py', 'values': facts.pop('values', {})}
        time = {'wall_s': 3600 * hours}
        write_record(tmp_path / name, {'status': 'finished', 'kind': kind, 'config': config, 'time': time, **facts})

    record('s1', 1)
    record('s2', 2, values={'load_from': 'work_dirs/x/s1/epoch_5.pth'})
    record('s3', 0.1, 'test', weights={'step': 's2'})
    hours = runpy.run_path(str(TOOLS / 'training_time.py'))['training_hours']
    assert [hours(tmp_path / name) for name in ('s1', 's2', 's3')] == pytest.approx([1, 3, 3])
