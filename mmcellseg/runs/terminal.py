"""What a run says on the terminal; its log file holds everything."""

import logging
from pathlib import Path
from typing import Any

import pycocotools.coco
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ..components.config_paths import annotation_file, config_datasets

# What mmengine says of itself, by how it begins.
_OF_ITSELF = (
    '\n------',  # the environment
    'Config:\n',
    'Hooks will be executed',
    'Distributed training is not used',
    'Exp name:',
    'Loads checkpoint by',
    '"FileClient" will be',
    '"HardDiskBackend" is',
    'paramwise_options --',  # a line for each parameter of a leaf with lr_mult
)


class TerseRunner(Runner):
    """The standard runner, but for what it shows, and the seconds that it takes to lay out what nobody reads."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda record: not record.getMessage().startswith(_OF_ITSELF))
        pycocotools.coco.print = lambda *args: None  # it shadows the builtin: four lines for each annotation file
        return logger

    def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """As stock; the config in it is the same, not laid out by yapf: that takes seconds, each time anew."""
        before = self.cfg._format_python_code
        object.__setattr__(self.cfg, '_format_python_code', False)
        try:
            super().save_checkpoint(*args, **kwargs)
        finally:
            object.__setattr__(self.cfg, '_format_python_code', before)


def summary(cfg: Config, runner: Runner, resume: str | None, *kinds: str) -> str:
    """What is trained or tested on what: the leaf, its data and classes, its weights, the machine, the folder."""
    datasets = config_datasets(cfg, *kinds)
    files = dict.fromkeys(filter(None, map(annotation_file, datasets)))
    classes = (datasets[0].get('metainfo') or {}).get('classes', ()) if datasets else ()
    init = cfg.model.get('backbone', {}).get('init_cfg')
    pretrained = init.get('checkpoint') if isinstance(init, dict) else None
    weights = f'backbone from {pretrained}, the rest random' if pretrained else 'random'
    device = get_device()
    if device == 'cuda':
        device = f'cuda ({torch.cuda.get_device_name()})'
    rows = {
        'config': cfg.filename,
        'data': ', '.join(files),
        'classes': f'{len(classes)}: {", ".join(classes)}' if classes else 'those of the data set',
        'weights': f'resumed from {resume}' if resume else cfg.get('load_from') or weights,
        'device': f'{device}, {runner.world_size} process{"es" * (runner.world_size > 1)}',
        'folder': f'{runner.work_dir} (the whole log in {Path(runner.log_dir).name})',
    }
    if kinds != ('test',):
        rows['device'] += f', {cfg.optim_wrapper.get("type", "OptimWrapper")}'
    head = 'Testing' if kinds == ('test',) else 'Training'
    return '\n'.join([f'{head} {runner.model_name}', *(f'  {name:8} {value}' for name, value in rows.items())])
