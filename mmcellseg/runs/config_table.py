"""The tables of configs/README.md: what each leaf says of itself, and what its built config does."""

import ast
import functools
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from ..components.models.cell_tta_model import mirrored_views
from ..reporting.comparison import to_markdown
from .steps import about

STEPS = {'RareClassCopyPaste': 'paste', 'RandomFlip': 'flip', 'RandomRotate90': 'turn', 'StainJitter': 'stain'}
STEPS |= {'PhotoMetricDistortion': 'colour'}
HOOKS = {'EMAHook': 'ema', 'BFloat16Hook': 'bf16', 'EarlyStoppingHook': 'early stop'}


@functools.cache
def _parameters(model: str) -> str:
    """Parameters of a model, given as text; leaves that share one build it once."""
    config = ConfigDict(ast.literal_eval(model))
    # Those without a depth read numbers from tensors while they are built; ResNets are built without their memory.
    with torch.device('meta' if 'depth' in config.backbone else 'cpu'):
        return f'{sum(p.numel() for p in MODELS.build(config).parameters()) / 1e6:.1f} M'


def _model(cfg: Config) -> str:
    model, backbone = cfg.model.to_dict(), cfg.model.backbone
    shared = {'train_cfg': None, 'test_cfg': {'rpn': None, 'rcnn': None}}
    name = ' '.join(str(part) for part in (backbone.type, backbone.get('depth', backbone.get('arch'))) if part)
    return f'{cfg.model.type}, {name}, {_parameters(repr({**model, **shared}))}'


def _anchors(cfg: Config) -> str:
    if 'rpn_head' not in cfg.model:
        return 'none'
    generator = TASK_UTILS.build(cfg.model.rpn_head.anchor_generator)
    sides = [((box[2] - box[0]) * (box[3] - box[1])).sqrt().item() for level in generator.base_anchors for box in level]
    sizes = len(generator.scales)
    return f'{min(sides):.0f}–{max(sides):.0f}' + (f', {sizes} a level' if sizes > 1 else '')


def _caps(cfg: Config) -> str:
    test = cfg.model.test_cfg
    if 'rcnn' not in test:
        return f'→ {test.get("max_per_img", test.get("max_per_image"))}'
    return f'{test.rpn.max_per_img} → {test.rcnn.max_per_img}, {test.rcnn.nms.iou_threshold}'


def _rois(cfg: Config) -> str:
    stages = cfg.model.train_cfg.get('rcnn')
    if stages is None:
        return 'none'
    sampler = (stages[0] if isinstance(stages, list) else stages).sampler
    return f'{sampler.num}, ≤ {sampler.pos_fraction:.0%} cells'


def _step(step: Mapping[str, Any]) -> str:
    if step['type'] == 'RandomChoice':
        return '/'.join(_step(choice[0]) for choice in step['transforms'])
    if step['type'] == 'Resize':
        return f'×{step["scale_factor"]}' if 'scale_factor' in step else '{}×{}'.format(*step['scale'])
    return f'crop {step["crop_size"][0]}' if step['type'] == 'RandomCrop' else STEPS.get(step['type'], '')


def _test(cfg: Config) -> str:
    pipeline, views = cfg.test_dataloader.dataset.pipeline, ''
    if cfg.get('tta'):
        *pipeline, last = cfg.get('tta_pipeline') or mirrored_views(pipeline)
        axes = last['transforms']
        pipeline += [
            {'type': 'RandomChoice', 'transforms': [[s] for s in axis]} for axis in axes if axis[0]['type'] == 'Resize'
        ]
        views = f'{math.prod(len(axis) for axis in axes)} views, {cfg.tta_model.fusion.type}'
    return ', '.join(filter(None, [*map(_step, pipeline), views])) or 'own size'


def _draw(cfg: Config) -> str:
    loader = cfg.train_dataloader
    weighted = loader.sampler.type == 'WeightedRandomSampler' and loader.dataset.weighting != 'none'
    return 'balanced' if weighted else 'alike'


def _weights(cfg: Config) -> str:
    if cfg.get('weights'):
        return f'of {cfg.weights}'
    if cfg.load_from:
        return 'from COCO' if '_coco_' in cfg.load_from else f'from {Path(cfg.load_from).parent.name}'
    return 'random' if cfg.model.backbone.get('init_cfg') is None else 'ImageNet'


def _training(cfg: Config) -> str:
    amp = ['amp'] if cfg.optim_wrapper.type == 'AmpOptimWrapper' else []
    frozen = [f'{n} frozen'] if (n := cfg.model.backbone.get('frozen_stages', -1)) > 0 else []
    hooks = [HOOKS[hook.type] for hook in cfg.custom_hooks if hook.type in HOOKS]
    policy = cfg.param_scheduler[-1].type.removesuffix('LR').removesuffix('Annealing').lower()
    parts = [f'{cfg.train_cfg.max_epochs} × {cfg.train_dataloader.batch_size}', f'{cfg.optim_wrapper.optimizer.lr:g}']
    return ', '.join([*parts, policy, *frozen, *amp, *hooks])


COLUMNS: dict[str, Callable[[Config], str]] = {
    'model, parameters': _model,
    'anchors, px': _anchors,
    'proposals → cells, NMS': _caps,
    'RoIs in training': _rois,
    'drawn': _draw,
    'training images': lambda c: ', '.join(filter(None, map(_step, c.train_dataloader.dataset.dataset.pipeline))),
    'tested at': _test,
    'weights': _weights,
    'epochs × images, learning rate': _training,
    'trained on': lambda c: Path(c.train_dataloader.dataset.dataset.ann_file).stem,
}


def describe(cfg: Config) -> dict[str, str]:
    """What a built config does, by column; of an ensemble, its fusion and members."""
    if 'model' not in cfg:
        return {'fusion': cfg.fusion.type, 'members': str(len(cfg.members))}
    init_default_scope('mmdet')
    return {name: fact(cfg) for name, fact in COLUMNS.items()}


def table(rows: Mapping[Path, Mapping[str, str]]) -> str:
    """The leaves of a folder by what :func:`describe` says of them; what all have alike stands above the table."""
    first = next(iter(rows.values()))
    shown = [name for name in first if len({row[name] for row in rows.values()}) > 1]
    lines = [['leaf', 'what', *shown]]
    lines += [[f'`{path.stem}`', about(path), *(row[name] for name in shown)] for path, row in rows.items()]
    same = '; '.join(f'{name}: {fact}' for name, fact in first.items() if name not in shown)
    return (f'All alike: {same}.\n\n' if same else '') + to_markdown(lines)


def fill(text: str, configs: Path, load: Callable[[Path], Config] = Config.fromfile) -> str:
    """The text with a table between each ``<!-- PATTERN -->``, such as ``consep/s*.py``, and ``<!-- end -->``."""

    def filled(mark: re.Match) -> str:
        return f'{mark[1]}\n{table({path: describe(load(path)) for path in sorted(configs.glob(mark[2]))})}<!-- end -->'

    return re.sub(r'(<!-- (\S+\.py) -->)\n.*?<!-- end -->', filled, text, flags=re.DOTALL)
