"""Configs and options that nothing would read are refused with the nearest name."""

import pytest
from tiny_run import write_config

from mmcellseg.runs.config_options import ConfigError, check_options, read_config

FROM_BEFORE = r"custom_imports names 'mmcellseg', .*: write .* = dict\(imports=\['mmcellseg\.components'\]\)"
NONE = r'cannot be read as a config \('


def test_a_misspelt_config_names_the_nearest(tmp_path):
    write_config(tmp_path / 'mine.py', tmp_path)
    with pytest.raises(ConfigError, match=rf'minne\.py: there is no such config; did you mean {tmp_path}/mine\.py\?$'):
        read_config(tmp_path / 'minne.py')
    with pytest.raises(ConfigError, match=r'did you mean configs/demo/m1\.py\?$'):
        read_config(tmp_path / 'm1_.py')
    with pytest.raises(ConfigError, match=r'zzzzzz\.py: there is no such config$'):
        read_config(tmp_path / 'zzzzzz.py')


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ("custom_imports = dict(imports=['mmcellseg'])", FROM_BEFORE),
        ("custom_imports = dict(imports='mmcellseg')", FROM_BEFORE),
        ("custom_imports = dict(imports=['mmcellseg.transforms'])", rf'{NONE}ImportError: .*mmcellseg\.components'),
        ("custom_imports = ['mmcellseg']", rf'{NONE}TypeError: .*mmcellseg\.components'),
        ('model = dict(', rf'{NONE}SyntaxError: '),
        ('model = dict(depth=dept)', rf"{NONE}NameError: name 'dept' is not defined"),
        ("_base_ = 'gone.py'", rf'{NONE}FileNotFoundError: .*gone\.py'),
        ('custom_hookss = []\nmy_hooks = []', 'nothing reads custom_hookss; did you mean custom_hooks'),
    ],
)
def test_what_is_no_config_is_said_in_a_line(tmp_path, text, said):
    (tmp_path / 'c.py').write_text(f'{text}\n')
    with pytest.raises(ConfigError, match=rf'c\.py: {said}') as caught:
        read_config(tmp_path / 'c.py')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('optim_wraper.optimizer.lr', 'the config has no optim_wraper, .*; did you mean optim_wrapper'),
        ('train_dataloader.num_worker', r'the config has no num_worker there; did you mean num_workers\?'),
        ('model.test_cfg.rcnn.score_th', r'the config has no score_th there; did you mean score_thr\?'),
        ('param_scheduler.0.start_facto', r'the config has no start_facto there; did you mean start_factor\?'),
    ],
)
def test_misspelt_options_are_refused(tmp_path, option, said):
    cfg = read_config(write_config(tmp_path / 'c.py', tmp_path))
    with pytest.raises(ConfigError, match=f'--cfg-options {option}: {said}'):
        check_options(cfg, [option])


@pytest.mark.parametrize(
    'option', ['optim_wrapper.optimizer.weight_decay', 'train_dataloader.persistent_workers', 'tta', 'custom_hooks.0']
)
def test_new_keys_that_something_reads_are_not(tmp_path, option):
    check_options(read_config(write_config(tmp_path / 'c.py', tmp_path)), [option])
