"""Configs and options that nothing would read are refused with the nearest name."""

import pytest
from tiny_run import REPO, write_config

from mmcellseg.runs.config_options import ConfigError, check_options, read_config


def test_a_misspelt_config_names_the_nearest(tmp_path):
    write_config(tmp_path / 'mine.py', tmp_path)
    with pytest.raises(ConfigError, match=rf'minne\.py: there is no such config; did you mean {tmp_path}/mine\.py\?$'):
        read_config(tmp_path / 'minne.py')
    with pytest.raises(ConfigError, match=r'did you mean configs/demo/m1\.py\?$'):
        read_config(tmp_path / 'm1_.py')
    with pytest.raises(ConfigError, match=r'zzzzzz\.py: there is no such config$'):
        read_config(tmp_path / 'zzzzzz.py')


@pytest.mark.parametrize(
    'imports', ["custom_imports = dict(imports=['mmcellseg'])", "custom_imports = dict(imports='mmcellseg')"]
)
def test_a_config_from_before_the_components_says_what_to_change(tmp_path, imports):
    (tmp_path / 'old.py').write_text(f'{imports}\n')
    with pytest.raises(
        ConfigError,
        match=r"old\.py: custom_imports names 'mmcellseg', .*: write .* = dict\(imports=\['mmcellseg\.components'\]\)",
    ):
        read_config(tmp_path / 'old.py')


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ("custom_imports = dict(imports=['mmcellseg.transforms'])", r'ImportError: .*mmcellseg\.components'),
        ("custom_imports = ['mmcellseg']", r'TypeError: .*mmcellseg\.components'),
        ('model = dict(', 'SyntaxError: '),
        ('model = dict(depth=dept)', "NameError: name 'dept' is not defined"),
        ("_base_ = 'gone.py'", r'FileNotFoundError: .*gone\.py'),
    ],
)
def test_what_is_no_config_is_said_in_a_line(tmp_path, text, said):
    (tmp_path / 'c.py').write_text(f'{text}\n')
    with pytest.raises(ConfigError, match=rf'c\.py: cannot be read as a config \({said}') as caught:
        read_config(tmp_path / 'c.py')
    assert '\n' not in str(caught.value)


def test_a_variable_that_is_nearly_one_of_the_runner_is_refused(tmp_path):
    path = write_config(tmp_path / 'c.py', tmp_path, 'custom_hookss = []\nmy_hooks = []\n')
    with pytest.raises(ConfigError, match=r'c\.py: nothing reads custom_hookss; did you mean custom_hooks'):
        read_config(path)


def test_every_config_of_the_project_is_read():
    leaves = sorted(
        path for folder in ('baselines', 'demo', 'members') for path in (REPO / 'configs' / folder).glob('*.py')
    )
    for leaf in leaves[::4]:
        assert read_config(leaf).model


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
