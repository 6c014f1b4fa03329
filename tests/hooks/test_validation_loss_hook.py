"""The validation loss is the training's loss, seen by every hook, and comparable between epochs."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner, load_checkpoint
from tiny_run import write_config, write_data

from mmcellseg.hooks.train_split_metric_hook import spread_indices
from mmcellseg.hooks.validation_loss_hook import check_pipeline, forked_random_state

EXTRA = """
val_dataloader = data('train', 3, [load, annotations, meta], test_mode=True)
custom_hooks = [
    dict(type='ValidationLossHook'),
    dict(type='TrainSplitMetricHook', num_images=4),
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.5),
    dict(type='EarlyStoppingHook', monitor='val_loss', rule='less', patience=9),
]
default_hooks['checkpoint'].update(save_best='val_loss', rule='less')
default_hooks.pop('record')
"""


def run(folder, extra):
    root = write_data(folder / 'data', num_train=4)
    cfg = Config.fromfile(write_config(folder / 'config.py', root, extra))
    cfg.work_dir, cfg.experiment_name = str(folder / 'run'), folder.name
    cfg.visualizer.name = folder.name  # mmengine keeps one visualizer a name, with its folder
    runner = Runner.from_cfg(cfg)
    runner.train()
    (log,) = folder.glob('run/*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return SimpleNamespace(cfg=cfg, runner=runner, val=[x for x in lines if 'val_loss' in x], lines=lines)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    return run(tmp_path_factory.mktemp('validation_loss'), EXTRA)


def test_logged_loss_is_that_of_the_saved_checkpoint(trained):
    """The same number again, by hand: each image alone through the model that the checkpoint holds."""
    work_dir = trained.cfg.work_dir
    model = trained.runner.model
    # EMAHook saves the averaged weights, which were validated, as the state dict
    load_checkpoint(model, f'{work_dir}/epoch_2.pth')
    model.eval()
    dataset = trained.runner.val_dataloader.dataset
    totals, masks = [], []
    for i in range(len(dataset)):
        batch = pseudo_collate([dataset[i]])
        torch.manual_seed(dataset.get_data_info(i)['img_id'])
        with torch.no_grad():
            losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        flat = {k: sum(v) if isinstance(v, list) else v for k, v in losses.items() if 'loss' in k}
        totals.append(float(sum(v.mean() for v in flat.values())))
        masks.append(float(losses['loss_mask']))
    assert trained.val[-1]['val_loss'] == pytest.approx(np.mean(totals), abs=1e-5)
    assert trained.val[-1]['val_loss_mask'] == pytest.approx(np.mean(masks), abs=1e-5)


def test_every_hook_saw_it(trained):
    hub = trained.runner.message_hub
    assert hub.get_scalar('val/val_loss').current() == trained.val[-1]['val_loss']
    assert list(Path(trained.cfg.work_dir).glob('best_val_loss*'))
    stopping = next(h for h in trained.runner.hooks if type(h).__name__ == 'EarlyStoppingHook')
    assert stopping.best_score == pytest.approx(min(v['val_loss'] for v in trained.val))


def test_all_parts_are_there_and_sum_up(trained):
    parts = {'val_loss_rpn_cls', 'val_loss_rpn_bbox', 'val_loss_cls', 'val_loss_bbox', 'val_loss_mask'}
    for line in trained.val:
        assert parts <= set(line)
        assert line['val_loss'] == pytest.approx(sum(line[p] for p in parts), rel=1e-5)


def test_training_images_are_scored_as_validation_images_are(trained):
    # the tiny run validates on its training images, so the two scores must be one
    for line in trained.val:
        assert line['train_split/segm_AP50'] == line['cell/segm_AP50']


def test_one_image_overfit(tmp_path):
    """On the one image that is trained, the validation loss follows the training loss down."""
    extra = """
train_dataloader = data('train', 1, [load, annotations, pack], indices=[0])
val_dataloader = data('train', 1, [load, annotations, meta], test_mode=True, indices=[0])
train_dataloader['sampler'] = dict(type='InfiniteSampler')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=61, val_interval=20)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.003))
custom_hooks = [dict(type='ValidationLossHook')]
default_hooks = dict(checkpoint=None, logger=dict(type='LoggerHook', interval=1))
log_processor = dict(window_size=1, by_epoch=False)
"""
    trained = run(tmp_path, extra)
    validated = [line['val_loss'] for line in trained.val]
    training = {line['iter']: line['loss'] for line in trained.lines if 'loss' in line}
    # Iteration 21 computes its loss with the weights that were validated after 20; only the RoIs are drawn anew.
    np.testing.assert_allclose(validated[:3], [training[i] for i in (21, 41, 61)], rtol=0.1)
    assert validated[0] > validated[1] > validated[2]
    assert validated[2] < training[1] / 2


def test_without_a_validation_split_the_last_checkpoint_is_kept(tmp_path):
    extra = """
val_dataloader = val_evaluator = val_cfg = None
default_hooks['checkpoint'].update(save_best='cell/segm_AP50', rule='greater')
custom_hooks = [dict(type='EarlyStoppingHook', monitor='cell/segm_AP50', rule='greater', patience=1)]
"""
    work_dir = Path(run(tmp_path, extra).cfg.work_dir)
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'epoch_2.pth')
    assert not list(work_dir.glob('best_*'))


def _pipeline(*names):
    return [type(name, (), {})() for name in names]


def test_pipelines_without_a_loss_are_refused():
    check_pipeline(_pipeline('LoadTiffImage', 'LoadCellAnnotations', 'Resize', 'PackDetInputs'))
    with pytest.raises(ValueError, match=r'loads no annotations.*LoadCellAnnotations'):
        check_pipeline(_pipeline('LoadTiffImage', 'Resize', 'PackDetInputs'))
    with pytest.raises(ValueError, match=r'Resize comes before LoadCellAnnotations.*original image'):
        check_pipeline(_pipeline('LoadTiffImage', 'Resize', 'LoadCellAnnotations', 'PackDetInputs'))


def test_refused_before_training(tmp_path):
    with pytest.raises(ValueError, match='loads no annotations'):
        run(tmp_path, "custom_hooks = [dict(type='ValidationLossHook')]")


def test_random_state_stays():
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    with forked_random_state(7):
        inside = torch.rand(2)
        np.random.rand(5)
    assert (torch.rand(1), np.random.rand()) == expected
    with forked_random_state(7):
        assert torch.equal(torch.rand(2), inside)


def test_spread_indices_by_hand():
    assert spread_indices(10, 4) == [0, 3, 6, 9]
    assert spread_indices(3, 20) == [0, 1, 2]
