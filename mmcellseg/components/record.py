"""What a config says of an experiment: its keys, and those in which it differs from its parent."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..reporting.records import ABSENT, RecordError, changes, difference, difference_lines, digest, flatten, read_record
from ..structures.run_files import RECORD_NAME

HERE = f'{Path(__file__).resolve().parents[2]}{os.sep}'
# What makes an experiment; the variables of a config that no component reads, and how a run is started, do not.
EXPERIMENT_KEYS = (
    *('model', 'data_preprocessor', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg'),
    *('test_cfg', 'val_evaluator', 'test_evaluator', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'sync_bn'),
    *('default_hooks', 'custom_hooks', 'randomness', 'load_from', 'tta_model', 'tta_pipeline', 'tta'),
)


def _parts(cfg: Config | Mapping) -> dict[str, Any]:
    """The part of a config that makes the experiment, as JSON values."""
    values = cfg.to_dict() if isinstance(cfg, Config) else cfg
    if values.get('resume'):  # by a stock tool: load_from is the checkpoint that the run goes on from
        values = {**values, 'load_from': None}
    chosen = {key: values[key] for key in EXPERIMENT_KEYS if values.get(key) is not None}
    # Folders of the project count from there, whatever the working directory was.
    return json.loads(json.dumps(chosen, default=str).replace(json.dumps(HERE)[:-1], '"'))


def experiment(cfg: Config | Mapping) -> dict[str, Any]:
    """The flat keys of a config that make the experiment."""
    return flatten(_parts(cfg))


def config_facts(cfg: Config) -> dict[str, Any]:
    """File, parent, the keys in which a run's config differs from it (with both values), and the hash of all keys.

    The parent is what the config's ``_base_`` files give together; without any it is the file itself, so that only
    the command line makes a difference.
    """
    facts: dict[str, Any] = {'file': (cfg.filename or '').removeprefix(HERE), 'parent': None, 'changed': {}}
    if cfg.filename is not None and Path(cfg.filename).is_file():
        folder = Path(cfg.filename).parent
        # Absolute, but for those of other packages, as mmdet::….
        bases = [b if '::' in b else str((folder / b).resolve()) for b in Config._get_base_files(cfg.filename)]
        parent = Config.fromstring(f'_base_ = {bases!r}', '.py') if bases else Config.fromfile(cfg.filename)
        named = [base.removeprefix(HERE) for base in bases]
        facts['parent'] = named[0] if len(named) == 1 else named or None
        facts['changed'] = changes(_parts(parent), _parts(cfg))
    return {**facts, 'sha256': digest(experiment(cfg))}


def changes_since(record: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, list]:
    """The keys in which ``values`` differ from a run's; where not all of the run's are known, among those that are."""
    config = record['config']
    if config.get('sha256') == digest(values):
        return {}
    if 'known' not in config:
        return difference(config['values'], values)
    known = difference(config['values'], {key: values[key] for key in config['known'] if key in values})
    return known or {'config': [config.get('sha256', ABSENT), digest(values)]}


def _folder_is_chosen(cfg: Config) -> bool:
    """Whether the run's folder was given on the command line, instead of by the config or its name."""
    if cfg.filename is None or not Path(cfg.filename).is_file():
        return True
    default = Config.fromfile(cfg.filename).get('work_dir') or Path('work_dirs') / Path(cfg.filename).stem
    return Path(default).resolve() != Path(cfg.work_dir).resolve()


def check_work_dir(cfg: Config, resumed: bool = False) -> dict[str, list]:
    """Refuse a run's folder that holds the record of another experiment, unless asked to take it.

    Resuming, a folder given on the command line, and ``overwrite_record=True`` in the config ask for it. Returns the
    differing keys (``{}`` if the folder is free or holds the same experiment).
    """
    path = Path(cfg.work_dir) / RECORD_NAME
    differing = changes_since(read_record(cfg.work_dir), experiment(cfg)) if path.is_file() else {}
    asked = resumed or bool(cfg.get('resume') or cfg.get('overwrite_record'))
    if differing and not asked and not _folder_is_chosen(cfg):
        raise RecordError(
            f'{path} belongs to another experiment:\n{difference_lines(differing)}\n'
            'Give --work-dir for another folder, --resume to go on with these changes, or --overwrite'
        )
    return differing
