"""Every config loads, reloads, builds, trains a step, and is what its name says."""

import ast
import copy
import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import config_names
import mmengine.config.utils
import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from tiny import tiny_model, tiny_pipeline

from mmcellseg.runs import launch

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
FOLDERS = ('baselines', 'members', 'consep')
NAMED = [path for folder in FOLDERS for path in sorted((CONFIGS / folder).glob('*.py'))]
LEAVES = NAMED + sorted((CONFIGS / 'demo').glob('*.py'))
SPLITS = ['train_holdout', 'val_holdout', *(f'fold{k}_{side}' for k in range(5) for side in ('train', 'val'))]


def ids(path: Path) -> str:
    return f'{path.parent.name}/{path.stem}'


@pytest.fixture(scope='module', autouse=True)
def roots(synthetic_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The data of all leaves is a small synthetic set: every split is the whole of it, under each set's classes."""
    variables = {
        'CELLS_ROOT': None,
        'DEMO_ROOT': None,
        'CONSEP_ROOT': ['other', 'inflammatory', 'epithelial', 'spindle'],
    }
    patch = pytest.MonkeyPatch()
    for variable, classes in variables.items():
        root = tmp_path_factory.mktemp(variable.lower())
        (root / 'annotations').mkdir()
        for folder in ('train', 'test_release'):
            (root / folder).symlink_to(synthetic_dir / folder)
        for split in ('train', 'test'):
            coco = json.loads((synthetic_dir / f'annotations/{split}.json').read_text())
            if classes:
                coco['categories'] = [dict(c, name=name) for c, name in zip(coco['categories'], classes, strict=True)]
            for name in [split, *SPLITS] if split == 'train' else [split]:
                (root / f'annotations/{name}.json').write_text(json.dumps(coco))
        patch.setenv(variable, str(root))
    # mmengine reads all of MMDetection's model index for each config that inherits one of its files.
    read_index = mmengine.config.utils._get_cfg_metainfo
    cached = functools.cache(lambda package, name: read_index(package, name))
    patch.setattr(mmengine.config.utils, '_get_cfg_metainfo', cached)
    init_default_scope('mmdet')
    yield
    patch.undo()
    for cache in (load, build_full, build_tiny, build_dataset, build_rest):
        cache.cache_clear()


@functools.cache
def load(path: Path) -> Config:
    return Config.fromfile(path)


# What several leaves share is built once: its key is its text, from which it is read back, tuples and all.
same, read = repr, ast.literal_eval


@functools.cache
def build_full(model: str) -> int:
    """Parameters of the model at its own size, of which no memory is taken."""
    # Swin reads numbers from tensors while it is built.
    with torch.device('cpu' if 'SwinTransformer' in model else 'meta'):
        return sum(p.numel() for p in MODELS.build(ConfigDict(read(model))).parameters())


@functools.cache
def build_tiny(model: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS.build(ConfigDict(read(model))).train()


@functools.cache
def build_dataset(dataset: str) -> Any:
    return DATASETS.build(ConfigDict(read(dataset)))


@functools.cache
def build_rest(part: str) -> None:
    HOOKS.build(read(part)) if 'Hook' in read(part)['type'] else METRICS.build(read(part))


@pytest.mark.parametrize('path', LEAVES, ids=ids)
def test_loads_dumps_and_reloads_equal(path: Path, tmp_path: Path):
    cfg = load(path)
    # mmengine lays out a dump with yapf, which takes most of a second and changes no value.
    Config(cfg._cfg_dict, format_python_code=False).dump(tmp_path / 'dump.py')
    assert Config.fromfile(tmp_path / 'dump.py')._cfg_dict == cfg._cfg_dict
    assert 'mmcellseg.components' in cfg.custom_imports.imports
    assert not [key for key in config_names.flatten(cfg._cfg_dict.to_dict()) if '_delete_' in key]


@pytest.mark.parametrize('path', LEAVES, ids=ids)
def test_builds_and_trains_one_step(path: Path):
    cfg = load(path)
    model = cfg.model.to_dict()
    full = copy.deepcopy(model)
    full['rpn_head']['anchor_generator']['scales'] = [1.0] * len(full['rpn_head']['anchor_generator']['scales'])
    assert build_full(same({**full, 'train_cfg': None, 'test_cfg': {'rpn': None, 'rcnn': None}})) > 10_000_000
    for part in [*cfg.default_hooks.values(), *cfg.custom_hooks, cfg.val_evaluator, cfg.test_evaluator]:
        if part is not None and part.type != 'CellVisualizationHook':  # takes the running visualizer
            build_rest(same(part.to_dict()))

    train = cfg.train_dataloader.dataset.to_dict()
    train['dataset'].update(
        pipeline=tiny_pipeline(train['dataset']['pipeline']), serialize_data=False
    )  # it collects garbage
    dataset = build_dataset(same(train))
    assert len(dataset.metainfo['classes']) == cfg.num_classes
    built = build_tiny(same(tiny_model(model)))
    built.zero_grad()
    batch = built.data_preprocessor(pseudo_collate([dataset[1], dataset[2]]), training=True)
    loss, _ = built.parse_losses(built(**batch, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
    heads = (built.rpn_head, built.roi_head, built.neck)
    assert all(any(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters()) for head in heads)

    for loader in filter(None, (cfg.val_dataloader, cfg.test_dataloader)):
        sample = build_dataset(same({**loader.dataset.to_dict(), 'serialize_data': False}))[0]
        assert sample['inputs'].shape[0] == 3
        assert 'scale_factor' in sample['data_samples']


@pytest.mark.parametrize('detector', ['mask-rcnn', 'cascade-mask-rcnn'])
def test_is_tested_on_mirrored_views(detector: str):
    """A cascade too, which would mirror masks itself if the views told it in MMDetection's way."""
    path = next(path for path in NAMED if config_names.parse(path.stem)['detector'] == detector)
    cfg = Config(copy.deepcopy(load(path)._cfg_dict))
    small = tiny_model(cfg.model.to_dict())
    small['test_cfg']['rcnn']['score_thr'] = 0.0
    cfg.model = small
    launch.set_tta(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    views = build_dataset(same({**cfg.test_dataloader.dataset.to_dict(), 'serialize_data': False}))[0]
    with torch.no_grad():
        (merged,) = model.test_step(pseudo_collate([views]))
    assert len(views['inputs']) == 4
    assert len(merged.pred_instances.masks) == len(merged.pred_instances.scores) > 0


@pytest.mark.parametrize('path', NAMED, ids=ids)
def test_equals_its_name(path: Path):
    fields = config_names.parse(path.stem)
    number = fields.pop('number')
    assert bool(number) == (path.parent.name != 'baselines')
    assert config_names.describe(load(path)) == fields


@pytest.mark.parametrize('path', [path for path in NAMED if 'rpn1k-det100_s1333x800' in path.stem], ids=ids)
def test_published_recipe_has_the_caps_of_torchvision(path: Path):
    train, test = load(path).model.train_cfg, load(path).model.test_cfg
    assert (train.rpn_proposal.nms_pre, train.rpn_proposal.max_per_img) == (2000, 2000)
    assert (test.rpn.nms_pre, test.rpn.max_per_img) == (1000, 1000)
    assert (test.rcnn.max_per_img, test.rcnn.score_thr) == (100, 0.05)
    assert (test.rcnn.nms.type, test.rcnn.nms.iou_threshold) == ('nms', 0.5)
    assert {train.rpn_proposal.nms.iou_threshold, test.rpn.nms.iou_threshold} == {0.7}


@pytest.mark.parametrize('folder', FOLDERS)
def test_every_difference_has_a_field(folder: str):
    leaves = {
        path.stem: config_names.flatten(load(path)._cfg_dict.to_dict()) for path in NAMED if path.parent.name == folder
    }
    for (a, left), (b, right) in itertools.combinations(leaves.items(), 2):
        fields_a, fields_b = config_names.parse(a), config_names.parse(b)
        named = {field for field in fields_a if fields_a[field] != fields_b[field]}
        keys = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
        keys = [key for key in keys if key.split('.')[0] not in config_names.VARIABLES]
        unnamed = [key for key in keys if not config_names.fields_of(key) & named]
        assert not unnamed, f'{a} and {b} differ in {unnamed}, but only {named} are in their names'


@pytest.mark.parametrize('path', LEAVES, ids=ids)
def test_leaf_is_a_short_difference(path: Path):
    lines = 0
    for statement in ast.parse(path.read_text()).body:
        is_base = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == '_base_'
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        lines += 0 if is_base or is_text else statement.end_lineno - statement.lineno + 1
    assert lines <= 12


def test_members_cover_what_an_ensemble_needs():
    members = {p.stem: config_names.parse(p.stem) for p in NAMED if p.parent.name == 'members'}
    assert [m['number'] for m in members.values()] == [f'm{i:02}' for i in range(1, 18)]
    variety = {field: {m[field] for m in members.values()} for field in next(iter(members.values()))}
    least = {'backbone': 5, 'anchors': 3, 'nms': 3, 'size': 2, 'caps': 3, 'batch': 3, 'frozen': 3, 'split': 5}
    assert {field: len(variety[field]) >= n for field, n in least.items()} == dict.fromkeys(least, True)
    flat = {p.stem: config_names.flatten(load(p)._cfg_dict.to_dict()) for p in NAMED if p.parent.name == 'members'}
    for (a, left), (b, right) in itertools.combinations(flat.items(), 2):
        differing = {key for key in left if key in right and left[key] != right[key]} | (left.keys() ^ right.keys())
        named = [field for field in members[a] if field != 'number' and members[a][field] != members[b][field]]
        assert min(len(differing), len(named)) > 1, (a, b)


def test_ladder_steps_follow_from_each_other():
    """From the second step to the eighth each leaf inherits the one before: its text is the experiment.

    No number is missing or given twice; the steps that merge others are in ``ensembles/``.
    """
    for ladder in 'sg':
        steps = [p for p in NAMED if p.parent.name == 'consep' and p.stem.startswith(ladder)]
        merges = [Path(load(p).out_dir).name for p in (CONFIGS / 'ensembles').glob(f'{ladder}[0-9][0-9]_*.py')]
        numbers = sorted(int(name[1:3]) for name in [*(p.stem for p in steps), *merges])
        assert numbers == list(range(1, len(numbers) + 1))
        for before, after in itertools.pairwise(steps[:8]):
            assert before.name in after.read_text()


def test_env_moves_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('CELLS_ROOT', str(tmp_path))
    cfg = Config.fromfile(NAMED[0])
    flat = config_names.flatten(cfg._cfg_dict.to_dict())
    paths = {key: value for key, value in flat.items() if 'data_root' in key or 'evaluator.ann_file' in key}
    assert len(paths) >= 6
    assert all(str(value).startswith(str(tmp_path)) for value in paths.values())
    assert str(tmp_path) not in str(load(CONFIGS / 'demo/m1.py')._cfg_dict)


def test_weights_can_be_left_out():
    """``--cfg-options load_from=None model.backbone.init_cfg=None`` trains without a download."""
    for path in (p for p in NAMED if '_coco_' in p.stem or p.parent.name == 'members'):
        cfg = Config(load(path)._cfg_dict)
        cfg.merge_from_dict({'load_from': None, 'model.backbone.init_cfg': None})
        assert (cfg.load_from, cfg.model.backbone.init_cfg) == (None, None)


def test_names_are_parsed():
    fields = config_names.parse(
        'm07_mask-rcnn_x101-32x4d_fpn_a16-256_rpn2k_nms40_cw_amp_adamw-1e-4_cosine-20e_1xb2_fold1'
    )
    assert {k: v for k, v in fields.items() if v} == {
        'number': 'm07',
        'detector': 'mask-rcnn',
        'backbone': 'x101-32x4d',
        'anchors': '16-256',
        'caps': 'rpn2k',
        'nms': '40',
        'balanced': True,
        'amp': True,
        'lr': '1e-4',
        'policy': 'cosine',
        'epochs': '20',
        'gpus': '1',
        'batch': '2',
        'split': 'fold1',
    }
    with pytest.raises(ValueError, match='mask-rcnn_r50: not a name of the grammar'):
        config_names.parse('mask-rcnn_r50')
