"""What tools/train.py and tools/test.py share: from a config file and options to a runner.

The standard runner executes everything; this module only prepares its config. Functions change ``cfg`` in place.
"""

import difflib
import logging
import tempfile
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint

from ..components import checkpoint, folder_lock
from ..components.config_paths import config_datasets
from ..components.metrics.cell_metric import write_beside_log
from ..components.models.cell_tta_model import mirrored_views
from ..components.record import check_work_dir
from .config_options import ConfigError, check_options, read_config
from .outputs import DumpPredictions, find_ids_file, formats_only, write_zip
from .processes import is_first_process, noted_end, start_processes
from .terminal import TerseRunner, summary


def load_config(path: str, options: dict | None = None, work_dir: str | None = None, launcher: str = 'none') -> Config:
    """Read a config file (:func:`read_config`) and merge the command line into it.

    The run's folder is ``work_dir``, else the config's own, else ``work_dirs/<name of the config>``.
    """
    cfg = read_config(path)
    if 'begun_from' in cfg:  # a copy in a folder that an earlier version resumed: load_from is the config's again
        cfg.resume, cfg.load_from = False, cfg.pop('begun_from')
    cfg.launcher = launcher
    if options:
        check_options(cfg, options)
        cfg.merge_from_dict(options)
    cfg.work_dir = work_dir or cfg.get('work_dir') or str(Path('work_dirs') / Path(path).stem)
    return cfg


def set_precision(cfg: Config, amp: bool = False) -> None:
    """Train in mixed precision if asked for (here or in the config) and possible, else in fp32 with a word."""
    wrapper = cfg.get('optim_wrapper') or ConfigDict()
    if not amp and wrapper.get('type') != 'AmpOptimWrapper':
        return
    if torch.cuda.is_available():
        wrapper.type = 'AmpOptimWrapper'
        return
    wrapper.type = 'OptimWrapper'
    for key in ('loss_scale', 'dtype', 'use_fsdp'):
        wrapper.pop(key, None)
    print_log('no accelerator found: mixed precision is off, training in fp32', level=logging.WARNING)


def set_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate with the total batch size, by the config's ``base_batch_size``."""
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise ValueError(
            f'{cfg.filename}: --auto-scale-lr needs auto_scale_lr=dict(base_batch_size=…) in the config: '
            'the batch size for which its learning rate was chosen'
        )
    cfg.auto_scale_lr.enable = True


def resume_point(cfg: Config, resume: str | None) -> str | None:
    """The checkpoint that a training goes on from: with ``'auto'`` the last of its folder, else the given one.

    None if it does not resume, as ``'auto'`` does not where there is no checkpoint: it begins as its config says then,
    with the weights of its ``load_from``. The config stays as it is: it says what the run began from.
    """
    if resume != 'auto' or (last := find_latest_checkpoint(cfg.work_dir)) is None:
        return None if resume == 'auto' else resume
    beside = Path(cfg.work_dir) / Path(last).name  # the folder may have been copied or renamed since
    return str(beside) if beside.is_file() else last


def set_seed(cfg: Config, seed: int | None) -> None:
    """Set the seed, 0 included; None leaves the config's."""
    if seed is not None:
        cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': seed}


def set_show_dir(cfg: Config, show_dir: str, score_thr: float) -> None:
    """Draw every test image with its predictions above a score into ``<run's folder>/<timestamp>/show_dir``."""
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError(f'{cfg.filename}: --show-dir needs a visualization hook in default_hooks')
    hook.update(draw=True, test_out_dir=show_dir, score_thr=score_thr)


def set_tta(cfg: Config) -> None:
    """Wrap the model for test-time augmentation, refusing what would drop the masks.

    A TTA model that merges masks says so with the class attribute ``merges_masks = True``. Without a
    ``tta_pipeline`` in the config the views are :func:`mirrored_views` of the test pipeline.
    """
    if not (kind := (cfg.get('tta_model') or {}).get('type')):
        raise ValueError(f"{cfg.filename}: --tta needs a tta_model in the config, such as dict(type='CellTTAModel')")
    if not getattr(MODELS.get(kind), 'merges_masks', False):
        raise ValueError(
            f'{cfg.filename}: --tta: tta_model {kind} merges boxes only and would lose the masks; take CellTTAModel'
        )
    cfg.model = {**cfg.tta_model, 'module': cfg.model}
    for dataset in config_datasets(cfg, 'test'):
        dataset['pipeline'] = cfg.get('tta_pipeline') or mirrored_views(dataset['pipeline'])


def build_runner(cfg: Config, verbose: bool = True) -> Runner:
    """The standard runner, with a short terminal unless ``verbose``."""
    if 'model' not in cfg:
        raise ConfigError(f'{cfg.filename}: there is no model in it; take the config of a run, a leaf of configs/')
    start_processes(cfg)
    return (Runner if verbose else TerseRunner).from_cfg(cfg)


def check_checkpoint_path(path: str) -> None:
    """Refuse a checkpoint that is not there before a model is built for it, and name the nearest of its folder."""
    if '://' in path or Path(path).expanduser().is_file():
        return
    there = sorted(file.name for file in Path(path).expanduser().parent.glob('*.pth'))
    near = difflib.get_close_matches(Path(path).name, there, n=1) or there[-1:]
    meant = f'did you mean {Path(path).with_name(near[0])}?' if near else 'its folder holds none: train first'
    raise FileNotFoundError(f'{path}: there is no such checkpoint; {meant}')


def make_folder(folder: str) -> None:
    """Make a run's folder, and see that files can be written there."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = f'no folder for a run ({error.strerror}); give another --work-dir'
        raise OSError(error.errno, reason, folder) from error


def run_train(cfg: Config, overwrite: bool = False, resume: str | None = None, verbose: bool = True) -> None:
    """Train, or go on from the checkpoint ``resume``; a folder of another experiment or another training is refused.

    What ends it early is noted in the run's record.
    """
    if overwrite:
        cfg.overwrite_record = True
    if resume is not None:
        check_checkpoint_path(resume)
    make_folder(cfg.work_dir)
    first = is_first_process(cfg)
    if first:
        folder_lock.hold(cfg.work_dir)
    try:
        check_work_dir(cfg, resumed=resume is not None)
        with noted_end(cfg.work_dir, first):
            runner = build_runner(cfg, verbose)
            runner.logger.info(summary(cfg, runner, resume, 'train', 'val'))
            if resume is not None:
                checkpoint.check_fits(runner.model, resume)
                runner._resume, runner._load_from = True, resume
            runner.train()
    finally:
        folder_lock.release(cfg.work_dir)


def run_test(cfg: Config, out: str | None = None, ids: str | None = None, verbose: bool = True) -> None:
    """Test, with ``out`` dumping the predictions as a pickle; a run with ``format_only`` is zipped for submission."""
    check_checkpoint_path(cfg.load_from)
    ids_file = find_ids_file(cfg, ids) if formats_only(cfg) else None
    make_folder(cfg.work_dir)
    runner = build_runner(cfg, verbose)
    runner.logger.info(summary(cfg, runner, None, 'test'))
    checkpoint.check_fits(runner.model, cfg.load_from)
    write_beside_log(runner)
    if out:
        runner.test_evaluator.metrics.append(DumpPredictions(out_file_path=out))
    runner.test()
    if ids_file is not None and is_main_process():
        write_zip(runner, ids_file)
