"""Every config of configs/ensembles/ is what tools/ensemble.py takes."""

from pathlib import Path

import pytest
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

from mmcellseg.ensemble.fusion import Fusion
from mmcellseg.ensemble.members import Member

REPO = Path(__file__).resolve().parents[2]
CONFIGS = sorted((REPO / 'configs' / 'ensembles').glob('*.py'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_builds_and_its_members_exist(path):
    cfg = Config.fromfile(path)
    members = [Member(**member) for member in cfg.members]
    assert len({m.name for m in members}) == len({m.results for m in members}) == len(members)
    assert all((REPO / m.config).is_file() for m in members)
    if cfg.fusion.get('calibration'):  # fitted when the step runs
        assert cfg.fusion.pop('calibration').startswith(cfg.out_dir)
    assert isinstance(TASK_UTILS.build(cfg.fusion), Fusion)
    assert cfg.out_dir.startswith('work_dirs/')
    assert cfg.ann_file.endswith('annotations/test.json')


@pytest.mark.parametrize(
    ('name', 'fusion'),
    [('nms17', 'NMSFusion'), ('mask-fusion17', 'WeightedMaskFusion'), ('shared-mask-fusion17', 'SharedMaskFusion')],
)
def test_the_17_members(name, fusion):
    cfg = Config.fromfile(REPO / 'configs' / 'ensembles' / f'{name}.py')
    assert [m.name for m in cfg.members] == [f'm{k:02}' for k in range(1, 18)]
    assert cfg.fusion.type == fusion
