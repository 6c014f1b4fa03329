"""The command: images and slides into files, again, and what it says when something is wrong."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
import tifffile
from tiny_run import SIZE, run_tool

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / 'tools/predict.py'


@pytest.fixture
def slide(tiny_trained: Path, tmp_path: Path) -> Path:
    """A pyramidal TIFF of 3 × 3 images with white around them, beside a PNG."""
    names = (
        [f'test_{k}.png' for k in (1, 2, 3)] + [f'train_{k}.png' for k in (1, 2, 3, 4)] + ['test_1.png', 'test_2.png']
    )
    tiles = np.stack([cv2.imread(str(tiny_trained / 'data' / name))[..., ::-1] for name in names])
    field = tiles.reshape(3, 3, SIZE, SIZE, 3).transpose(0, 2, 1, 3, 4).reshape(3 * SIZE, 3 * SIZE, 3)
    whole = np.full((10 * SIZE, 10 * SIZE, 3), 240, np.uint8)
    whole[SIZE : 4 * SIZE, SIZE : 4 * SIZE] = field
    folder = tmp_path / 'in'
    folder.mkdir()
    options = {'tile': (64, 64), 'photometric': 'rgb', 'compression': 'deflate'}
    with tifffile.TiffWriter(folder / 'slide.tif') as file:
        file.write(whole, subifds=1, resolution=(20000, 20000), resolutionunit='CENTIMETER', **options)
        file.write(cv2.resize(whole, (5 * SIZE, 5 * SIZE), interpolation=cv2.INTER_AREA), subfiletype=1, **options)
    cv2.imwrite(str(folder / 'plain.png'), tiles[0])
    return folder


def test_images_and_slides_become_files_that_others_open(tiny_trained, slide, tmp_path):
    config, weights, out = tiny_trained / 'tiny.py', tiny_trained / 'run/epoch_2.pth', tmp_path / 'out'
    words = ('in', '--out', out, '--score-thr', 0.02, '--tile', 64, '--overlap', 24, '--batch', 4)
    words += ('--to', 'geojson', 'label-tiff', 'csv', 'coco', 'overlay')
    said = run_tool(TOOL, config, weights, *words, cwd=tmp_path)
    assert said.splitlines()[-1] == '2 predicted'
    summary = json.loads((out / 'slide.summary.json').read_text())
    assert (summary['height'], summary['mpp'], summary['resampled']) == (10 * SIZE, pytest.approx(0.5), 1)
    assert list(summary['classes']) == ['class1', 'class2']
    features = json.loads((out / 'slide.geojson').read_text())['features']
    assert len(features) == summary['cells'] == sum(summary['classes'].values()) > 9
    for feature in features:
        polygon = shapely.geometry.shape(feature['geometry'])
        assert polygon.is_valid
        # Tiles of white alone are skipped; those at the border reach 64 px into it.
        assert shapely.box(0, 0, 6 * SIZE, 6 * SIZE).contains(polygon)
    labels = tifffile.imread(out / 'slide.labels.tif')
    assert labels.shape == (10 * SIZE, 10 * SIZE)
    height, width, _ = cv2.imread(str(out / 'plain.overlay.png')).shape
    assert (width, height > 8 * SIZE) == (8 * SIZE, True)  # enlarged, with the classes named below
    content = {path: path.read_bytes() for path in out.iterdir()}
    assert run_tool(TOOL, config, weights, *words, cwd=tmp_path).splitlines()[-1] == '2 finished before'
    assert {path: path.read_bytes() for path in out.iterdir()} == content
    refused = run_tool(TOOL, config, weights, 'in', '--out', out, '--tile', 128, '--overlap', 24, cwd=tmp_path, code=1)
    (line,) = [line for line in refused.splitlines() if line.startswith('predict.py: ')]
    assert 'holds the output of another run' in line
    assert 'tile 64 there, 128 now' in line


def test_what_is_wrong_is_said_in_a_line(tiny_trained, slide, tmp_path):
    config, weights = tiny_trained / 'tiny.py', tiny_trained / 'run/epoch_2.pth'
    (slide / 'bad.tif').write_bytes((slide / 'slide.tif').read_bytes()[:5000])
    said = run_tool(TOOL, config, weights, 'in/*a*', '--out', 'out', '--to', 'csv', cwd=tmp_path, code=1)
    assert said.splitlines()[-2] == '1 predicted, 1 failed'
    assert said.splitlines()[-1].startswith('failed: in/bad.tif ')
    three = tmp_path / 'three.py'
    three.write_text(config.read_text().replace('num_classes=2', 'num_classes=3'))
    for words, message in (
        ((config, weights, 'nothing', '--out', 'out'), 'nothing: no image there'),
        ((config, 'no.pth', 'in', '--out', 'out2'), 'no.pth: there is no such checkpoint'),
        ((config, '-', 'in', '--out', 'out2'), 'is the config of one model: give its checkpoint'),
        ((three, weights, 'in', '--out', 'out2'), 'weights do not fit the config'),
    ):
        last = run_tool(TOOL, *words, cwd=tmp_path, code=1).splitlines()[-1]
        assert last.startswith('predict.py: ')
        assert message in last
