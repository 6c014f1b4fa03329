"""Every config loads, reloads, builds, trains a step, and is what its name and configs/README.md say."""

import ast
import copy
import functools
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine.config.utils
import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from tiny import tiny_model, tiny_pipeline

from mmcellseg.components.record import experiment
from mmcellseg.reporting.records import difference, flatten
from mmcellseg.runs import config_table, launch

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
FOLDERS = ('baselines', 'members', 'consep')
NAMED = [path for folder in FOLDERS for path in sorted((CONFIGS / folder).glob('*.py'))]
LEAVES = NAMED + sorted((CONFIGS / 'demo').glob('*.py'))
# What a field of a name claims: the column of the table that shows it of the built config, and what stands there.
MODEL, TRAIN, EPOCHS = 'model, parameters', 'training images', 'epochs × images, learning rate'
CLAIMS = {
    r'a(\d+)-(\d+)': ('anchors, px', r'^{}–{}\b'),
    'r50|no-bn-heads': (MODEL, 'MaskRCNN, ResNet 50, 44.0 M'),
    'r50v2': (MODEL, 'MaskRCNN, ResNet 50, 45.9 M'),
    'r101': (MODEL, 'MaskRCNN, ResNet 101,'),
    r'x(50|101)': (MODEL, 'MaskRCNN, ResNeXt {},'),
    'regnetx': (MODEL, 'MaskRCNN, RegNet regnetx_3.2gf,'),
    'swin-t': (MODEL, 'MaskRCNN, SwinTransformer, 47.4 M'),
    'cascade': (MODEL, '^CascadeRCNN,'),
    'lite0': (MODEL, 'MaskRCNN, EfficientNetLite, 4.3 M'),
    'bn-heads': (MODEL, 'MaskRCNN, ResNet 18, 12.6 M'),
    '1333x800': ('tested at', '^1333×800$'),
    r'(?:test-)?scale(\d)(\d)0': ('tested at', r'^×{}.{}\b'),
    'tta': ('tested at', '4 views, WeightedMaskFusion$'),
    'tta-shared': ('tested at', '4 views, SharedMaskFusion$'),
    r'nms(\d)0': ('proposals → cells, NMS', r', 0\.{}$'),
    'cw': ('drawn', '^balanced$'),
    'cp': (TRAIN, 'paste'),
    'cp-crop': (TRAIN, r'^crop \d+, paste, .*crop \d+'),
    'rot': (TRAIN, 'turn'),
    'scale-jitter': (TRAIN, '^×0.8/×1.0/×1.25'),
    'stain': (TRAIN, 'stain, colour'),
    r'rois?(\d+)': ('RoIs in training', '^{}, ≤ 50% cells$'),
    r'from-(s\d\d)': ('weights', '^from {}_'),
    r'frz(\d)': (EPOCHS, r'\b{} frozen'),
    'ema': (EPOCHS, 'ema'),
    'es': (EPOCHS, 'early stop'),
    r'(\d+)e': (EPOCHS, '^{} ×'),
    'all': ('trained on', '^train$'),
}
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
    for cache in (load, build_tiny, build_dataset, build_rest):
        cache.cache_clear()


@functools.cache
def load(path: Path) -> Config:
    return Config.fromfile(path)


# What several leaves share is built once: its key is its text, from which it is read back, tuples and all.
same, read = repr, ast.literal_eval


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
def test_is_a_short_difference_that_reloads_equal(path: Path, tmp_path: Path):
    assert 20 <= len(config_table.about(path)) <= 120 - 6
    lines = 0
    for statement in ast.parse(path.read_text()).body:
        is_base = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == '_base_'
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        lines += 0 if is_base or is_text else statement.end_lineno - statement.lineno + 1
    assert lines <= 12
    cfg = load(path)
    # mmengine lays out a dump with yapf, which takes most of a second and changes no value.
    Config(cfg._cfg_dict, format_python_code=False).dump(tmp_path / 'dump.py')
    assert Config.fromfile(tmp_path / 'dump.py')._cfg_dict == cfg._cfg_dict
    assert 'mmcellseg.components' in cfg.custom_imports.imports
    assert not [key for key in flatten(cfg._cfg_dict.to_dict()) if '_delete_' in key]
    if 'consep' not in path.parts:  # a config that trains without a download
        offline = Config(copy.deepcopy(cfg._cfg_dict))
        offline.merge_from_dict({'load_from': None, 'model.backbone.init_cfg': None})
        assert (offline.load_from, offline.model.backbone.init_cfg) == (None, None)


@pytest.mark.parametrize('path', LEAVES, ids=ids)
def test_builds_and_trains_one_step(path: Path):
    cfg = load(path)
    for part in [*cfg.default_hooks.values(), *cfg.custom_hooks, cfg.val_evaluator, cfg.test_evaluator]:
        if part is not None and part.type != 'CellVisualizationHook':  # takes the running visualizer
            build_rest(same(part.to_dict()))

    train = cfg.train_dataloader.dataset.to_dict()
    train['dataset'].update(
        pipeline=tiny_pipeline(train['dataset']['pipeline']), serialize_data=False
    )  # it collects garbage
    dataset = build_dataset(same(train))
    assert len(dataset.metainfo['classes']) == cfg.num_classes
    built = build_tiny(same(tiny_model(cfg.model.to_dict())))
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


@pytest.mark.parametrize('leaf', ['baselines/r50_a32-512', 'members/m08_cascade_a8-128'])
def test_is_tested_on_mirrored_views(leaf: str):
    """A cascade too, which would mirror masks itself if the views told it in MMDetection's way."""
    cfg = Config(copy.deepcopy(load(CONFIGS / f'{leaf}.py')._cfg_dict))
    cfg.model = tiny_model(cfg.model.to_dict())
    cfg.model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=50)
    launch.set_tta(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    views = build_dataset(same({**cfg.test_dataloader.dataset.to_dict(), 'serialize_data': False}))[0]
    with torch.no_grad():
        (merged,) = model.test_step(pseudo_collate([views]))
    assert len(views['inputs']) == 4
    assert len(merged.pred_instances.masks) == len(merged.pred_instances.scores) > 0


def step_of(name: str) -> Path:
    """The leaf of a step of configs/consep, by its number or its name."""
    (path,) = (path for path in NAMED if path.parent.name == 'consep' and name in (path.stem, path.stem[:3]))
    return path


def test_tables_of_the_readme():
    readme = (CONFIGS / 'README.md').read_text()
    in_tables = set(re.findall(r'^\| `(\S+)` \|', readme, re.MULTILINE))
    assert in_tables > {path.stem for path in CONFIGS.glob('[!_]*/*.py')}
    assert readme == config_table.fill(readme, CONFIGS, load), 'run tools/analysis_tools/config_table.py'


@pytest.mark.parametrize('path', NAMED, ids=ids)
def test_is_what_its_name_claims(path: Path):
    assert len(path.stem) <= 48
    row = config_table.describe(load(path))
    if trained := load(path).get('weights'):  # its training is that of the step
        row['weights'] = config_table.describe(load(step_of(trained)))['weights']
    number = re.match(r'[msg]\d\d_', path.stem)
    assert bool(number) == (path.parent.name != 'baselines')
    for field in path.stem[number.end() if number else 0 :].split('_'):
        # What is no claim on a column, as all27, the docstring explains.
        for claim in filter(None, (re.fullmatch(pattern, field) for pattern in CLAIMS)):
            column, shown = CLAIMS[claim.re.pattern]
            assert re.search(shown.format(*claim.groups()), row[column]), f'{field}: {column} is {row[column]}'


def training(path: Path) -> dict[str, Any]:
    """The keys of a leaf's experiment but those of its test."""
    in_test = ('val_', 'test_', 'model.test_cfg', 'tta')
    return {key: value for key, value in experiment(load(path)).items() if not key.startswith(in_test)}


def test_each_step_takes_the_weights_of_one_that_is_there_and_no_training_is_done_twice():
    for path in (path for path in NAMED if path.parent.name == 'consep'):
        cfg = load(path)
        if cfg.load_from:  # trains on from the last epoch of another step
            folder, checkpoint = Path(cfg.load_from).parent, Path(cfg.load_from).name
            assert folder.parent == Path('work_dirs/consep')
            assert checkpoint == f'epoch_{load(step_of(folder.name)).train_cfg.max_epochs}.pth', path
        if trained := cfg.get('weights'):
            assert load(step_of(trained)).get('weights') is None
            assert training(path) == training(step_of(trained)), path
            assert experiment(cfg) != experiment(load(step_of(trained))), path
    trainings = [(path, training(path)) for path in LEAVES if load(path).get('weights') is None]
    for (a, left), (b, right) in itertools.combinations(trainings, 2):
        assert left != right, f'{a} differs from {b} in test only: weights = ... names whose it takes'


def test_published_recipes_have_the_caps_of_torchvision():
    published = list((CONFIGS / 'baselines').glob('*_1333x800_*.py'))
    assert len(published) == 7
    for path in published:
        train, test = load(path).model.train_cfg, load(path).model.test_cfg
        assert (train.rpn_proposal.nms_pre, train.rpn_proposal.max_per_img) == (2000, 2000)
        assert (test.rpn.nms_pre, test.rpn.max_per_img) == (1000, 1000)
        assert (test.rcnn.max_per_img, test.rcnn.score_thr) == (100, 0.05)
        assert (test.rcnn.nms.type, test.rcnn.nms.iou_threshold) == ('nms', 0.5)
        assert {train.rpn_proposal.nms.iou_threshold, test.rpn.nms.iou_threshold} == {0.7}


def test_members_cover_what_an_ensemble_needs():
    members = [path for path in NAMED if path.parent.name == 'members']
    assert [path.stem[:3] for path in members] == [f'm{i:02}' for i in range(1, 18)]
    rows = [config_table.describe(load(path)) for path in members]
    variety = {column: len({row[column] for row in rows}) for column in rows[0]}
    least = {MODEL: 8, 'anchors, px': 3, 'proposals → cells, NMS': 6, 'tested at': 3, EPOCHS: 9, 'trained on': 5}
    assert {column: variety[column] >= n for column, n in least.items()} == dict.fromkeys(least, True)
    for left, right in itertools.combinations([experiment(load(path)) for path in members], 2):
        assert len(difference(left, right)) > 1


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
    flat = flatten(cfg._cfg_dict.to_dict())
    paths = {key: value for key, value in flat.items() if 'data_root' in key or 'evaluator.ann_file' in key}
    assert len(paths) >= 6
    assert all(str(value).startswith(str(tmp_path)) for value in paths.values())
    assert str(tmp_path) not in str(load(CONFIGS / 'demo/m1.py')._cfg_dict)


def test_page_on_own_data_works_as_printed(tmp_path: Path, synthetic_dir: Path):
    """The two files of configs/README.md load and build; the json of the synthetic set has four other classes."""
    printed = re.findall(r'   ```python\n(.*?)   ```', (CONFIGS / 'README.md').read_text(), re.DOTALL)
    shutil.copytree(CONFIGS / '_base_', tmp_path / '_base_', ignore=shutil.ignore_patterns('__pycache__'))
    (tmp_path / 'mine').mkdir()
    for name, text in zip(('_base_/datasets/mine_holdout.py', 'mine/leaf.py'), printed, strict=True):
        (tmp_path / name).write_text(text.replace('\n   ', '\n').removeprefix('   '))
    cfg = Config.fromfile(tmp_path / 'mine/leaf.py')
    inner = cfg.train_dataloader.dataset.dataset
    assert (inner.data_root, inner.metainfo.classes) == ('data/mine', ('tumour', 'lymphocyte'))
    assert cfg.val_evaluator.ann_file == 'data/mine/annotations/val_holdout.json'
    assert MODELS.build(cfg.model).roi_head.bbox_head.fc_cls.out_features == 3
    ann = synthetic_dir / 'annotations/train.json'
    with pytest.raises(ValueError, match=r"classes of the config are \['tumour', 'lymphocyte'\]"):
        DATASETS.build(dict(inner, data_root=str(synthetic_dir), ann_file=str(ann)))
