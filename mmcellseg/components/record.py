"""The ledger of experiments: a run is its config's keys.

Every run's folder holds a ``record.json`` (written by ``RecordHook``); these functions make, read and write them.
"""

import ast
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..reporting.records import RECORD_NAME, RecordError, difference, difference_lines, flatten, read_record

HERE = f'{Path(__file__).resolve().parents[2]}{os.sep}'
# What makes an experiment; the variables of a config that no component reads, and how a run is started, do not.
EXPERIMENT_KEYS = (
    *('model', 'data_preprocessor', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg'),
    *('test_cfg', 'val_evaluator', 'test_evaluator', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'sync_bn'),
    *('default_hooks', 'custom_hooks', 'randomness', 'load_from', 'runner_type', 'tta_model', 'tta_pipeline', 'tta'),
)


def experiment(cfg: Config | Mapping) -> dict[str, Any]:
    """The flat keys of a config that make the experiment, as JSON values."""
    values = cfg.to_dict() if isinstance(cfg, Config) else cfg
    if values.get('resume'):  # load_from is the checkpoint that a resumed run goes on from
        values = {**values, 'load_from': values.get('begun_from')}
    chosen = {key: values[key] for key in EXPERIMENT_KEYS if values.get(key) is not None}
    flat = flatten(json.loads(json.dumps(chosen, default=str)))
    # Folders of the project count from there, whatever the working directory was.
    return {key: value.removeprefix(HERE) if isinstance(value, str) else value for key, value in flat.items()}


def parent_config(path: str | os.PathLike) -> Config | None:
    """What the ``_base_`` files of a config give together, or None if it has none."""
    path = Path(path)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', None) == '_base_':
            bases = ast.literal_eval(node.value)
            bases = [bases] if isinstance(bases, str) else bases
            whole = [base if '::' in base else str((path.parent / base).resolve()) for base in bases]
            return Config.fromstring(f'_base_ = {whole!r}', '.py') if whole else None
    return None


def config_differences(cfg: Config) -> dict[str, dict[str, list]]:
    """How a run's config differs from its file, and its file from the files it builds on.

    Options are merged into a config before anything else sees it, so the file is read again.
    """
    if cfg.filename is None or not Path(cfg.filename).is_file():
        return {'from_parents': {}, 'from_command_line': {}}
    file = Config.fromfile(cfg.filename)
    parents = parent_config(cfg.filename)
    return {
        'from_parents': {} if parents is None else difference(experiment(parents), experiment(file)),
        'from_command_line': difference(experiment(file), experiment(cfg)),
    }


def check_folder(folder: str | os.PathLike, cfg: Config, allowed: bool) -> dict[str, list]:
    """Refuse a folder that holds the record of another experiment, unless it is ``allowed``.

    Returns the differing keys (``{}`` if the folder is free or holds the same experiment).
    """
    if not (Path(folder) / RECORD_NAME).is_file():
        return {}
    differing = difference(read_record(folder)['config']['values'], experiment(cfg))
    if differing and not allowed:
        raise RecordError(
            f'{Path(folder) / RECORD_NAME} belongs to another experiment:\n{difference_lines(differing)}\n'
            'Give --work-dir for another folder, --resume to go on with these changes, or --overwrite'
        )
    return differing
