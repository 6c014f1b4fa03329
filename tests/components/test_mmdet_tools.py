"""MMDetection's own tools, as its package ships them, on a config of this project."""

import json
import pickle
import runpy
import sys
from pathlib import Path

import mmdet
import pytest
from mmdet.apis import inference_detector, init_detector
from mmengine.visualization import Visualizer

TOOLS = Path(mmdet.__file__).parent / '.mim/tools/analysis_tools'
CHECKPOINT = 'run/epoch_2.pth'
WRAPPED = """
train_dataloader['dataset'] = dict(type='ClassWeightedDataset', dataset=train_dataloader['dataset'])
visualizer = dict(type='CellVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
"""
# analyze_results.py takes no other loading steps than MMDetection's, and looks for them in the innermost config.
STOCK = """
model['roi_head']['mask_head']['type'] = 'RLEMaskHead'
train_dataloader['dataset']['pipeline'] = [
    dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
]
test_dataloader['dataset']['ann_file'] = 'annotations/train.json'
visualizer = dict(type='CellVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
"""


@pytest.fixture
def run(tiny_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that runs a tool in the folder of the trained tiny config, on that config with text at its end."""
    monkeypatch.chdir(tiny_trained)
    Visualizer._instance_dict.clear()

    def run(tool: str, *argv: object, extra: str | None = None) -> None:
        config = tmp_path / 'config.py'
        config.write_text((tiny_trained / 'tiny.py').read_text() + (extra or ''))
        monkeypatch.setattr(sys, 'argv', [tool, *([] if extra is None else [str(config)]), *map(str, argv)])
        runpy.run_path(str(TOOLS / tool), run_name='__main__')

    return run


def test_browse_dataset_draws_the_augmented_training_images(run, tiny_trained: Path, tmp_path: Path):
    run('browse_dataset.py', '--output-dir', tmp_path / 'out', '--not-show', extra=WRAPPED)
    drawn = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert drawn == [f'train_{i}.png' for i in range(1, 5)]


def test_analyze_results_draws_the_best_and_the_worst_images(run, tiny_trained: Path, tmp_path: Path):
    model = init_detector('tiny.py', CHECKPOINT, device='cpu')
    found = [inference_detector(model, str(tiny_trained / f'data/train_{i}.png')).to_dict() for i in range(1, 5)]
    (tmp_path / 'found.pkl').write_bytes(pickle.dumps(found))
    run('analyze_results.py', tmp_path / 'found.pkl', tmp_path / 'out', '--topk', 1, extra=STOCK)
    assert [len(list((tmp_path / 'out' / kind).iterdir())) for kind in ('good', 'bad')] == [1, 1]


def test_coco_error_analysis_reads_a_converted_json(run, synthetic_dir: Path, tmp_path: Path):
    truth = synthetic_dir / 'annotations/train.json'
    entries = [
        {
            'image_id': a['image_id'],
            'category_id': a['category_id'],
            'score': 0.5,
            'segmentation': a['segmentation'],
            'bbox': a['bbox'],
        }
        for a in json.loads(truth.read_text())['annotations']
    ]
    (tmp_path / 'found.json').write_text(json.dumps(entries))
    run('coco_error_analysis.py', tmp_path / 'found.json', tmp_path / 'out', '--ann', truth, '--types', 'segm')
    assert list((tmp_path / 'out/segm').glob('*.png'))
