"""What tools/train.py and tools/test.py share: from a config file and options to a runner.

The standard runner executes everything; this module only prepares its config. Functions change ``cfg`` in place.
"""

import logging
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.evaluation import DumpDetResults
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available
from mmengine.dist import is_main_process
from mmengine.evaluator.metric import _to_cpu
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from ..components import checkpoint
from ..components.config_paths import annotation_file, config_datasets, resolve_data_paths
from ..components.hooks.record_hook import check_work_dir
from ..components.models.cell_tta_model import mirrored_views
from ..export.submission import CATEGORY_IDS, write_submission
from ..structures.run_files import RESULTS_NAME, ZIP_NAME
from .config_options import check_options
from .noted_end import noted_end
from .process import PROJECT

IDS_NAME = 'test_image_name_to_ids.json'


def load_config(path: str, options: dict | None = None, work_dir: str | None = None, launcher: str = 'none') -> Config:
    """Read a config file (its ``custom_imports`` are done here) and merge the command line into it.

    The run's folder is ``work_dir``, else the config's own, else ``work_dirs/<name of the config>``.
    """
    cfg = Config.fromfile(path)
    if 'begun_from' in cfg:  # a copy in a folder that an earlier version resumed: load_from is the config's again
        cfg.resume, cfg.load_from = False, cfg.pop('begun_from')
    cfg.launcher = launcher
    if options:
        check_options(cfg, options)
        cfg.merge_from_dict(options)
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(path).stem)
    resolve_data_paths(cfg, PROJECT)
    return cfg


def has_accelerator() -> bool:
    """Whether automatic mixed precision can be had here."""
    return is_cuda_available() or is_npu_available() or is_musa_available()


def set_precision(cfg: Config, amp: bool = False) -> None:
    """Train in mixed precision if asked for (here or in the config) and possible, else in fp32 with a word."""
    wrapper = cfg.optim_wrapper
    if not amp and wrapper.get('type') != 'AmpOptimWrapper':
        return
    if has_accelerator():
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
    return find_latest_checkpoint(cfg.work_dir) if resume == 'auto' else resume


def set_seed(cfg: Config, seed: int | None) -> None:
    """Set the seed, 0 included; None leaves the config's."""
    if seed is not None:
        cfg.randomness = {**(cfg.get('randomness') or {}), 'seed': seed}


def start_processes(cfg: Config) -> None:
    """Prepare several processes for a machine without a CUDA device.

    mmengine would select CUDA devices there, so the process group is made before the runner, with gloo, and the
    model's wrapper gets no device.
    """
    if cfg.launcher == 'none' or has_accelerator():
        return
    if cfg.launcher == 'slurm':
        _slurm_environment()
    elif cfg.launcher != 'pytorch':
        raise ValueError(f'--launcher {cfg.launcher} needs a GPU; on the CPU pytorch and slurm are possible')
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = {'type': 'MMDistributedDataParallel', 'broadcast_buffers': False}
    wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}


def _slurm_environment() -> None:
    """Translate Slurm's variables into torch's."""
    host = subprocess.run(
        ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']],
        capture_output=True,
        text=True,
        check=True,
    )
    os.environ.setdefault('MASTER_ADDR', host.stdout.split()[0])
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ.update(RANK=os.environ['SLURM_PROCID'], WORLD_SIZE=os.environ['SLURM_NTASKS'])
    os.environ['LOCAL_RANK'] = os.environ.get('SLURM_LOCALID', '0')


def formats_only(cfg: Config) -> bool:
    """Whether the test writes predictions under their standard name."""
    evaluator = cfg.test_evaluator
    return isinstance(evaluator, dict) and evaluator.get('results_file') == RESULTS_NAME


def set_format_only(cfg: Config) -> None:
    """Write predictions instead of measuring them; the test set needs no annotations then."""
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    chosen = next((e for e in evaluators if e.type == 'CellMetric'), {'type': 'CellMetric'})
    cfg.test_evaluator = {**chosen, 'format_only': True, 'results_file': RESULTS_NAME}


def find_ids_file(cfg: Config, path: str | None = None) -> Path:
    """The file that lists the test images: ``path``, else the one of the test set, else its annotation file."""
    if path is not None:
        candidates = [Path(path)]
    else:
        dataset = config_datasets(cfg, 'test')[0]
        candidates = [Path(dataset.get('data_root') or '') / IDS_NAME, Path(annotation_file(dataset) or '')]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f'no list of test images: looked for {", ".join(map(str, candidates))}; give --ids FILE')


def write_zip(runner: Runner, ids_file: Path) -> None:
    """Zip the predictions of a run with ``--format-only``, checked, as ``submission.zip`` beside them."""
    results = Path(runner.log_dir) / RESULTS_NAME
    categories = getattr(runner.test_dataloader.dataset, 'cat_ids', CATEGORY_IDS)
    submission = write_submission(results, ids_file, results.with_name(ZIP_NAME), categories)
    runner.logger.info(f'predictions: {results}\nsubmission: {submission}')


class DumpPredictions(DumpDetResults):
    """MMDetection's dump of the predictions, for masks that are RLE already too."""

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            masks = sample.get('pred_instances', {}).get('masks')
            if not isinstance(masks, list):
                super().process(data_batch, [sample])
                continue
            kept = {k: v for k, v in sample.items() if k not in ('gt_instances', 'ignored_instances')}
            self.results.extend(_to_cpu([kept]))


def set_show_dir(cfg: Config, show_dir: str) -> None:
    """Draw every test image with its predictions into ``<run's folder>/<timestamp>/show_dir``."""
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise ValueError(f'{cfg.filename}: --show-dir needs a visualization hook in default_hooks')
    hook.draw = True
    hook.test_out_dir = show_dir


def set_tta(cfg: Config) -> None:
    """Wrap the model for test-time augmentation, refusing what would drop the masks.

    A TTA model that merges masks says so with the class attribute ``merges_masks = True``. Without a
    ``tta_pipeline`` in the config the views are :func:`mirrored_views` of the test pipeline.
    """
    if 'tta_model' not in cfg:
        raise ValueError(f"{cfg.filename}: --tta needs a tta_model in the config, such as dict(type='CellTTAModel')")
    cls = MODELS.get(cfg.tta_model.type)
    if not getattr(cls, 'merges_masks', False):
        raise ValueError(
            f'{cfg.filename}: --tta: tta_model {cfg.tta_model.type} merges boxes only and would lose the masks; '
            'take CellTTAModel'
        )
    cfg.model = {**cfg.tta_model, 'module': cfg.model}
    for dataset in config_datasets(cfg, 'test'):
        dataset['pipeline'] = cfg.get('tta_pipeline') or mirrored_views(dataset['pipeline'])


def build_runner(cfg: Config) -> Runner:
    """The standard runner, or the config's ``runner_type``."""
    start_processes(cfg)
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def run_train(cfg: Config, overwrite: bool = False, resume: str | None = None) -> None:
    """Train, or go on from the checkpoint ``resume``; another experiment's folder is refused before it is touched."""
    if overwrite:
        cfg.overwrite_record = True
    check_work_dir(cfg, resumed=resume is not None)
    with noted_end(cfg.work_dir):
        runner = build_runner(cfg)
        if resume is not None:
            runner._resume, runner._load_from = True, resume
        runner.train()


def run_test(cfg: Config, out: str | None = None, ids: str | None = None) -> None:
    """Test, with ``out`` dumping the predictions as a pickle; a run with ``format_only`` is zipped for submission."""
    ids_file = find_ids_file(cfg, ids) if formats_only(cfg) else None
    runner = build_runner(cfg)
    checkpoint.check_fits(runner.model, cfg.load_from)
    for metric in runner.test_evaluator.metrics:
        if hasattr(metric, 'out_dir'):
            metric.out_dir = runner.log_dir
    if out:
        runner.test_evaluator.metrics.append(DumpPredictions(out_file_path=out))
    runner.test()
    if ids_file is not None and is_main_process():
        write_zip(runner, ids_file)
