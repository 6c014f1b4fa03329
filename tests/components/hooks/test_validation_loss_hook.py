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

from mmcellseg.components.hooks import validation_loss_hook
from mmcellseg.components.hooks.train_split_metric_hook import TrainSplitMetricHook
from mmcellseg.components.hooks.validation_loss_hook import ValidationLossHook
from mmcellseg.components.metrics.cell_metric import CellMetric

NO_VALIDATION = 'val_dataloader = val_evaluator = val_cfg = None\n'
EXTRA = """
val_dataloader = data('train', 3, [load, annotations, meta], test_mode=True)
custom_hooks = [
    dict(type='ValidationLossHook'),
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


def test_every_hook_saw_it_and_its_parts(trained):
    hub = trained.runner.message_hub
    assert hub.get_scalar('val/val_loss').current() == trained.val[-1]['val_loss']
    assert list(Path(trained.cfg.work_dir).glob('best_val_loss*'))
    stopping = next(h for h in trained.runner.hooks if type(h).__name__ == 'EarlyStoppingHook')
    assert stopping.best_score == pytest.approx(min(v['val_loss'] for v in trained.val))
    parts = [f'val_loss_{part}' for part in ('rpn_cls', 'rpn_bbox', 'cls', 'bbox', 'mask')]
    for line in trained.val:
        assert line['val_loss'] == pytest.approx(sum(line[part] for part in parts), rel=1e-5)


SPLIT = """
train_dataloader = data('train', 4, [load, annotations, pack])
train_dataloader['sampler'] = dict(type='InfiniteSampler')
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80, val_interval=80)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.003))
custom_hooks = [
    dict(type='ValidationLossHook'),
    dict(type='TrainSplitMetricHook', num_images=2),
    dict(type='EMAHook', ema_type='ExponentialMovingAverage', momentum=0.02),
]
# A concatenation, of other images than the subset's.
part = dict(val_dataloader['dataset'], pipeline=[load, annotations, meta])
val_dataloader['dataset'] = dict(type='ConcatDataset', datasets=[dict(part, indices=[1]), dict(part, indices=[0, 2])])
default_hooks['checkpoint'].update(by_epoch=False, interval=80)
default_hooks.pop('record')
log_processor = dict(by_epoch=False)
"""


@torch.no_grad()
def scored(model, dataset, indices):
    """AP50 of some images of a data set, by hand."""
    model.eval()
    metric = CellMetric(dataset.ann_file, metric='segm')
    metric.dataset_meta = dataset.metainfo
    for i in indices:
        metric.process({}, [sample.to_dict() for sample in model.test_step(pseudo_collate([dataset[i]]))])
    return metric.evaluate(len(indices))['cell/segm_AP50']


def test_the_fixed_subset_of_the_training_images_is_scored_with_the_validated_weights(tmp_path):
    """Images 0 and 3 of four, with the average that EMAHook validates: all others give another figure."""
    trained = run(tmp_path, SPLIT)
    # The warning is of the validation set, a part of its file too, and none of the subset.
    (log,) = Path(trained.cfg.work_dir).glob('*/*.log')
    assert '3 of the 4 images' in log.read_text()
    assert '2 of the 4 images' not in log.read_text()
    found = trained.val[-1]['train_split/segm_AP50']
    model, dataset = trained.runner.model, trained.runner.train_dataloader.dataset
    raw = scored(model, dataset, [0, 3])
    load_checkpoint(model, f'{trained.cfg.work_dir}/iter_80.pth')
    figures = {indices: scored(model, dataset, indices) for indices in ((0, 3), (1, 2), (0, 1, 2, 3), (0, 1))}
    assert found > 0
    assert found == pytest.approx(figures.pop((0, 3)))
    assert found != pytest.approx(raw)
    for other in figures.values():
        assert found != pytest.approx(other)


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
default_hooks['checkpoint'].update(save_best='cell/segm_AP50', rule='greater')
custom_hooks = [dict(type='EarlyStoppingHook', monitor='cell/segm_AP50', rule='greater', patience=1)]
"""
    work_dir = Path(run(tmp_path, NO_VALIDATION + extra).cfg.work_dir)
    assert (work_dir / 'last_checkpoint').read_text() == str(work_dir / 'epoch_2.pth')
    assert not list(work_dir.glob('best_*'))


def test_images_that_are_not_trained_are_not_scored(tmp_path):
    """The first three of five images hold no cell: the training set leaves them out, the file does not."""
    root = write_data(tmp_path / 'data', num_train=5)
    ann_file = root / 'annotations/train.json'
    coco = json.loads(ann_file.read_text())
    *empty, fourth, fifth = [image['id'] for image in coco['images']]
    coco['annotations'] = [a for a in coco['annotations'] if a['image_id'] not in empty]
    ann_file.write_text(json.dumps(coco))
    cfg = Config.fromfile(write_config(tmp_path / 'config.py', root, "default_hooks.pop('record')"))
    cfg.work_dir, cfg.experiment_name = str(tmp_path / 'run'), tmp_path.name
    cfg.visualizer.name = tmp_path.name
    runner = Runner.from_cfg(cfg)
    hook = TrainSplitMetricHook(num_images=20)
    hook.before_train(runner)
    subset = hook.loader.dataset
    assert [subset.get_data_info(i)['img_id'] for i in range(len(subset))] == [fourth, fifth]


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (f"{NO_VALIDATION}custom_hooks = [dict(type='TrainSplitMetricHook')]", 'there is no val_dataloader'),
        (f"{NO_VALIDATION}custom_hooks = [dict(type='ValidationLossHook')]", 'there is no validation split'),
    ],
)
def test_refused_before_training(tmp_path, extra, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, extra)


def test_an_image_of_two_ranks_counts_once(monkeypatch):
    """Three images on two ranks: the sampler gives the second rank image 1 again, to even out the shares."""
    losses = {1: 1.0, 2: 2.0, 3: 6.0}
    monkeypatch.setattr(
        validation_loss_hook,
        'image_losses',
        lambda model, batch, index, seed: {'loss': losses[seed], 'loss_mask': losses[seed] / 2, 'acc': 50.0},
    )
    ranks = []
    for images in ((1, 2), (3, 1)):
        hook = ValidationLossHook()
        hook.before_val_epoch(None)
        batch = {'data_samples': [SimpleNamespace(img_id=image) for image in images]}
        hook.after_val_iter(SimpleNamespace(model=torch.nn.Identity()), 0, batch)
        ranks.append(hook)
    monkeypatch.setattr(validation_loss_hook, 'all_gather_object', lambda own: [hook.losses for hook in ranks])
    metrics = [{'cell/segm_AP50': 0.5} for _ in ranks]
    for hook, found in zip(ranks, metrics):
        hook.after_val_epoch(None, found)
    # (1 + 2 + 6) / 3; image 1 twice would give 2.5, a rank alone 1.5 or 3.5
    assert metrics[0] == metrics[1] == {'cell/segm_AP50': 0.5, 'val_loss': 3.0, 'val_loss_mask': 1.5}


def test_pipelines_without_a_loss_are_refused_in_every_part_of_a_wrapped_set():
    def part(*names):
        return SimpleNamespace(pipeline=SimpleNamespace(transforms=[type(name, (), {})() for name in names]))

    def start(*datasets):
        loader = SimpleNamespace(dataset=SimpleNamespace(dataset=SimpleNamespace(datasets=list(datasets))))
        ValidationLossHook().before_train(SimpleNamespace(val_loop='built', val_dataloader=loader))

    sound = part('LoadTiffImage', 'LoadCellAnnotations', 'Resize', 'PackDetInputs')
    start(sound, sound)
    with pytest.raises(ValueError, match=r'loads no annotations.*LoadCellAnnotations'):
        start(sound, part('LoadTiffImage', 'Resize', 'PackDetInputs'))
    with pytest.raises(ValueError, match=r'Resize comes before LoadCellAnnotations.*original image'):
        start(part('LoadTiffImage', 'Resize', 'LoadCellAnnotations', 'PackDetInputs'))
