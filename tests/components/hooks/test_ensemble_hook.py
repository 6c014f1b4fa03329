"""The hook in the standard runner, with a model that recites predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_cells import annotations, predictions, rectangle
from mmdet.registry import TASK_UTILS
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import mmcellseg  # noqa: F401  # registers
from mmcellseg.components.hooks.ensemble_hook import EnsembleHook
from mmcellseg.ensemble.driver import merge_files
from mmcellseg.ensemble.members import Member, read_image_set
from mmcellseg.ensemble.selection import score_files
from mmcellseg.structures.results import ResultsError, read_results, write_results

SIZE = (40, 60)
CELLS = [(2, 2, 12, 12, 1), (20, 5, 32, 14, 2), (40, 20, 55, 33, 1)]
SHIFTED = [(x0 + 2, y0, x1 + 2, y1, c) for x0, y0, x1, y1, c in CELLS]


def entries_of(rows, score):
    """Of image 1, each with a lower score."""
    return predictions([(1, c, rectangle(SIZE, *box), score - 0.1 * k) for k, (*box, c) in enumerate(rows)])


@pytest.fixture
def folder(tmp_path):
    """Annotations, the ids, and the files of two members."""
    truth = annotations({1: SIZE, 2: SIZE}, [(1, c, rectangle(SIZE, *box)) for *box, c in CELLS])
    (tmp_path / 'ann.json').write_text(json.dumps(truth))
    (tmp_path / 'ids.json').write_text(json.dumps(truth['images']))
    write_results(tmp_path / 'a.json', entries_of(CELLS, 0.9))
    write_results(tmp_path / 'b.json', entries_of(CELLS[:2], 0.7))
    return tmp_path


class Images(Dataset):
    metainfo = {'classes': ('class1', 'class2')}

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {'img_id': index + 1}


class Reciter(BaseModel):
    """Predicts the shifted cells in image 1 and nothing in image 2."""

    calls = 0

    def forward(self, img_id, mode='tensor'):
        Reciter.calls += 1
        out = []
        for i in img_id:
            found = entries_of(SHIFTED if i == 1 else [], 0.8)
            boxes = np.array([e['bbox'] for e in found], np.float32).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            instances = {
                'bboxes': torch.from_numpy(boxes),
                'scores': torch.tensor([e['score'] for e in found], dtype=torch.float64),
                'labels': torch.tensor([e['category_id'] - 1 for e in found], dtype=torch.long),
                'masks': [e['segmentation'] for e in found],
            }
            out.append({'img_id': int(i), 'pred_instances': instances})
        return out


def run_test(folder, metric=None, **hook):
    hook = {
        'type': 'EnsembleHook',
        'members': [{'name': n, 'results': str(folder / f'{n}.json')} for n in 'ab'],
        'fusion': {'type': 'WeightedMaskFusion'},
        **hook,
    }
    metric = metric or {'ann_file': str(folder / 'ann.json'), 'results_file': 'test-results.json'}
    sampler = {'type': 'DefaultSampler', 'shuffle': False}
    loader = {'batch_size': 1, 'num_workers': 0, 'dataset': Images(), 'sampler': sampler}
    Reciter.calls = 0
    runner = Runner(
        model=Reciter(),
        work_dir=str(folder / 'run'),
        test_dataloader=loader,
        test_evaluator={'type': 'CellMetric', **metric},
        test_cfg={'type': 'TestLoop'},
        custom_hooks=[hook],
        default_scope='mmdet',
        experiment_name=f'{folder.name}',
        log_level='WARNING',
    )
    return runner, runner.test()


def test_the_merge_and_its_figures_reach_metrics_and_loggers(folder):
    runner, metrics = run_test(folder, ids_file=str(folder / 'ids.json'))
    out = Path(runner.log_dir) / 'ensemble'
    assert {p.name for p in out.iterdir()} == {'test-results.json', 'submission.zip'}
    assert metrics['ensemble/a/segm_AP50'] == 1
    assert metrics['ensemble/own/segm_AP'] == metrics['cell/segm_AP'] < 1
    assert metrics['ensemble/b/segm_AP50'] < 1
    assert metrics['ensemble/segm_AP'] == 1  # a and b outvote the shift
    scalars = runner.message_hub.log_scalars
    assert scalars['test/ensemble/segm_AP50'].current() == metrics['ensemble/segm_AP50']
    assert scalars['test/ensemble/a/segm_AP50'].current() == 1


def test_the_hook_gives_what_the_tool_gives(folder):
    runner, metrics = run_test(folder, weight=2.0)
    own = Path(runner.log_dir) / 'test-results.json'
    assert len(read_results(own)) == 3
    members = [Member('own', str(own), 2.0), *(Member(n, str(folder / f'{n}.json')) for n in 'ab')]
    images = read_image_set(folder / 'ann.json')
    fusion = TASK_UTILS.build({'type': 'WeightedMaskFusion'})
    merge_files(members, fusion, images, folder / 'tool.json', workers=2, progress=False)
    merged = Path(runner.log_dir) / 'ensemble' / 'test-results.json'
    assert merged.read_bytes() == (folder / 'tool.json').read_bytes()
    scores = score_files({'merged': folder / 'tool.json'}, folder / 'ann.json')['merged']
    np.testing.assert_equal({k: metrics[f'ensemble/{k}'] for k in scores}, scores)


def test_without_annotations_only_files_are_written(folder):
    content = json.loads((folder / 'ann.json').read_text())
    (folder / 'ann.json').write_text(json.dumps(content | {'annotations': []}))
    metric = {'ann_file': str(folder / 'ann.json'), 'format_only': True}
    runner, metrics = run_test(folder, metric, fusion={'type': 'NMSFusion'})
    assert not [key for key in metrics if key.startswith('ensemble')]
    assert (Path(runner.log_dir) / 'ensemble' / 'test-results.json').is_file()


def test_bad_members_are_refused_before_inference(folder):
    (folder / 'b.json').write_text((folder / 'b.json').read_text()[:-30])
    with pytest.raises(ResultsError, match=r'b\.json: truncated or not valid JSON'):
        run_test(folder)
    assert Reciter.calls == 0
    wrong = entries_of(CELLS, 0.7)
    wrong[1]['category_id'] = 9
    write_results(folder / 'b.json', wrong)
    with pytest.raises(ResultsError, match=r'b\.json: nothing was written\nentry 1 \(image 1\): unknown category 9'):
        run_test(folder)
    assert Reciter.calls == 0
    with pytest.raises(ResultsError, match=r'none\.json: there is no such'):
        run_test(folder, members=[{'name': 'x', 'results': str(folder / 'none.json')}])
    assert Reciter.calls == 0


def test_what_cannot_be_merged_is_refused_at_once(folder):
    with pytest.raises(ValueError, match="set results_file='test-results.json'"):
        run_test(folder, {'ann_file': str(folder / 'ann.json')})
    assert Reciter.calls == 0
    with pytest.raises(ValueError, match="a member is named 'own'"):
        EnsembleHook([{'name': 'own', 'results': 'x'}], {'type': 'NMSFusion'})
