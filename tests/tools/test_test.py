"""Testing: predictions, their zip, drawings, and refusals."""

import json
import pickle
import runpy
import sys
import zipfile
from functools import partial

import pytest
import torch
from mmengine.config import ConfigDict
from tiny_run import REPO, run_tool, write_config

from mmcellseg.components.models.cell_tta_model import mirrored_views
from mmcellseg.runs import launch, outputs
from mmcellseg.structures.coco import CocoError

TEST = REPO / 'tools/test.py'


@pytest.fixture(scope='module')
def tested(tiny_trained):
    """The folder of a test with every way of output."""
    options = ('--format-only', '--out', 'predictions.pkl', '--show-dir', 'shown', '--work-dir', 'tested')
    run_tool(TEST, 'tiny.py', 'run/epoch_2.pth', *options, cwd=tiny_trained)
    (folder,) = (path for path in (tiny_trained / 'tested').iterdir() if path.is_dir())
    return folder


def test_predictions_zip_pickle_drawings_and_record(tiny_trained, tested):
    entries = json.loads((tested / 'test-results.json').read_text())
    assert {entry['image_id'] for entry in entries} == {1, 2, 3}
    with zipfile.ZipFile(tested / 'submission.zip') as archive:
        assert archive.namelist() == ['test-results.json']
        assert json.loads(archive.read('test-results.json')) == entries
    with open(tiny_trained / 'predictions.pkl', 'rb') as file:
        samples = pickle.load(file)
    assert [sample['img_id'] for sample in samples] == [1, 2, 3]
    assert all(len(s['pred_instances']['masks']) == len(s['pred_instances']['scores']) for s in samples)
    assert 'gt_instances' not in samples[0]
    assert len(list((tested / 'shown').iterdir())) == 3
    record = json.loads((tested / 'record.json').read_text())
    trained = json.loads((tiny_trained / 'run/record.json').read_text())
    assert (record['kind'], record['status']) == ('test', 'finished')
    assert record['weights']['sha256'] == trained['checkpoint']['last']['sha256']
    assert next(iter(record['data'].values()))['images'] == 3


def test_the_config_in_the_folder_of_a_resumed_run_can_be_tested(tiny_trained, tmp_path):
    """It asks to resume, and the best checkpoint holds nothing to resume from."""
    (tmp_path / 'copy.py').write_text((tiny_trained / 'tiny.py').read_text() + 'resume = True\n')
    weights = torch.load(tiny_trained / 'run/epoch_2.pth', weights_only=True)
    del weights['optimizer']
    torch.save(weights, tmp_path / 'best.pth')
    run_tool(TEST, 'copy.py', 'best.pth', '--format-only', '--work-dir', 'tested', cwd=tmp_path)
    assert len(list(tmp_path.glob('tested/*/submission.zip'))) == 1


def test_val_measures_the_validation_images_and_keeps_their_predictions(tiny_trained):
    output = run_tool(TEST, 'tiny.py', 'run/epoch_2.pth', '--val', '--work-dir', 'validated', cwd=tiny_trained)
    (results,) = tiny_trained.glob('validated/*/val-results.json')
    images = json.loads((tiny_trained / 'data/annotations/train.json').read_text())['images']
    found = {entry['image_id'] for entry in json.loads(results.read_text())}
    assert found
    assert found <= {image['id'] for image in images}
    assert 'cell/segm_AP50' in output
    assert not list(tiny_trained.glob('validated/*/submission.zip'))
    both = ('--val', '--format-only')
    assert 'not allowed with' in run_tool(TEST, 'tiny.py', 'run/epoch_2.pth', *both, cwd=tiny_trained, code=2)


def load(tmp_path, extra=''):
    return launch.load_config(str(write_config(tmp_path / 'c.py', tmp_path / 'data', extra)))


def test_tta_without_a_pipeline_mirrors_the_test_pipeline(tmp_path):
    cfg = load(tmp_path, "tta_model = dict(type='CellTTAModel')")
    *steps, pack = cfg.test_dataloader.dataset.pipeline
    launch.set_tta(cfg)
    *kept, views = cfg.test_dataloader.dataset.pipeline
    assert kept == steps
    flips, packs = views.transforms
    assert [(flip.prob, flip.get('direction')) for flip in flips] == [
        (0, None),
        (1, 'horizontal'),
        (1, 'vertical'),
        (1, 'diagonal'),
    ]
    assert packs[0].type == pack.type
    assert {'flip_direction', 'ori_shape', 'img_id'} <= set(packs[0].meta_keys)
    assert 'flip' not in packs[0].meta_keys
    with pytest.raises(ValueError, match='expected a test pipeline that ends in PackDetInputs, found Pad'):
        mirrored_views([{'type': 'LoadTiffImage'}, {'type': 'Pad'}])


def test_a_config_may_ask_for_mirrored_views(tiny_trained, tmp_path):
    """``tta = True`` is ``--tta``: whatever tests the config tests it so."""
    extra = "tta_model = dict(type='CellTTAModel', keep_views=True)\n"
    write_config(tmp_path / 'asked.py', tiny_trained / 'data', extra)
    write_config(tmp_path / 'config.py', tiny_trained / 'data', extra + 'tta = True\n')
    for name, *options in (('asked.py', '--tta'), ('config.py',)):
        checkpoint = str(tiny_trained / 'run/epoch_2.pth')
        run_tool(REPO / 'tools/test.py', name, checkpoint, '--format-only', *options, cwd=tmp_path)
    asked, config = (
        {path.name: path.read_text() for path in (tmp_path / 'work_dirs' / name).rglob('test-results*.json')}
        for name in ('asked', 'config')
    )
    assert asked == config
    assert len(asked) == 5


def test_drawings_show_cells_from_the_fitted_threshold_on_or_the_given_one(tiny_trained, tmp_path, monkeypatch):
    write_config(tmp_path / 'c.py', tiny_trained / 'data', '')
    (tmp_path / 'run').mkdir()
    seen = []
    monkeypatch.setattr(launch, 'run_test', lambda cfg, *_: seen.append(cfg.default_hooks.visualization.score_thr))
    asked = [
        'test.py',
        str(tmp_path / 'c.py'),
        str(tmp_path / 'run/x.pth'),
        '--show-dir',
        'a',
        '--work-dir',
        str(tmp_path),
    ]
    for more, fitted in (([], None), ([], 0.35), (['--show-score-thr', '0.8'], 0.35)):
        content = {'status': 'finished', 'config': {}, 'label_map_score_threshold': fitted}
        (tmp_path / 'run/record.json').write_text(json.dumps(content))
        monkeypatch.setattr(sys, 'argv', asked + more)
        runpy.run_path(str(TEST), run_name='__main__')
    assert seen == [0.5, 0.35, 0.8]


TTA = "tta_model = dict(type='{}')\ntta_pipeline = [dict(type='TestTimeAug', transforms=[])]\n"


@pytest.mark.parametrize(
    ('extra', 'change', 'message'),
    [
        ('', launch.set_tta, r'c\.py: --tta needs a tta_model in the config, such as .*CellTTAModel'),
        (TTA.format('DetTTAModel'), launch.set_tta, 'DetTTAModel merges boxes only and would lose the masks'),
        (
            "default_hooks.pop('visualization')\n",
            partial(launch.set_show_dir, show_dir='shown', score_thr=0.5),
            r'c\.py: --show-dir needs a visualization hook',
        ),
    ],
)
def test_what_a_config_must_have_for_an_option(tmp_path, extra, change, message):
    with pytest.raises(ValueError, match=message):
        change(load(tmp_path, extra))


def test_format_only_keeps_the_cell_metric(tmp_path):
    several = "test_evaluator = [dict(type='CocoMetric', metric='segm'), dict(type='CellMetric', max_dets=7)]\n"
    cfg = load(tmp_path, several)
    outputs.set_format_only(cfg)
    wanted = {'type': 'CellMetric', 'max_dets': 7, 'format_only': True, 'results_file': 'test-results.json'}
    assert cfg.test_evaluator == ConfigDict(wanted)


def test_the_list_of_test_images(tmp_path):
    cfg = load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'test_image_name_to_ids\.json, .*test\.json; give --ids FILE'):
        outputs.find_ids_file(cfg)
    (tmp_path / 'data/annotations').mkdir(parents=True)
    for name in ('annotations/test.json', 'test_image_name_to_ids.json'):
        (tmp_path / 'data' / name).write_text('[]')
        with pytest.raises(CocoError, match='its list of images is empty'):  # before the test, not after it
            outputs.find_ids_file(cfg)
        (tmp_path / 'data' / name).write_text('[{"id": 1, "file_name": "a.tif", "height": 8, "width": 8}]')
        assert outputs.find_ids_file(cfg) == tmp_path / 'data' / name
    with pytest.raises(FileNotFoundError, match='looked for other.json'):
        outputs.find_ids_file(cfg, 'other.json')
