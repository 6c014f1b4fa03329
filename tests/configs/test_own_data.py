"""The page on one's own classes and folders: its two files, as printed, load and build."""

import re
import shutil
from pathlib import Path

import pytest
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def test_page_on_own_data_works_as_printed(tmp_path: Path, synthetic_dir: Path, monkeypatch: pytest.MonkeyPatch):
    dataset, leaf = re.findall(r'   ```python\n(.*?)   ```', (CONFIGS / 'README.md').read_text(), re.DOTALL)
    shutil.copytree(CONFIGS / '_base_', tmp_path / '_base_', ignore=shutil.ignore_patterns('__pycache__'))
    (tmp_path / '_base_/datasets/mine_holdout.py').write_text(dataset.replace('\n   ', '\n').removeprefix('   '))
    (tmp_path / 'mine').mkdir()
    path = tmp_path / 'mine/leaf.py'
    path.write_text(leaf.replace('\n   ', '\n').removeprefix('   '))

    cfg = Config.fromfile(path)
    init_default_scope('mmdet')
    inner = cfg.train_dataloader.dataset.dataset
    assert (inner.data_root, inner.metainfo.classes) == ('data/mine', ('tumour', 'lymphocyte'))
    assert cfg.val_evaluator.ann_file == 'data/mine/annotations/val_holdout.json'
    assert MODELS.build(cfg.model).roi_head.bbox_head.fc_cls.out_features == 3
    # The json of the synthetic set has four other classes: refused before anything is trained.
    ann = synthetic_dir / 'annotations/train.json'
    with pytest.raises(ValueError, match=r"classes of the config are \['tumour', 'lymphocyte'\]"):
        DATASETS.build(dict(inner, data_root=str(synthetic_dir), ann_file=str(ann)))
