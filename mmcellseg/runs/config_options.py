"""Options of the command line that a config knows."""

import difflib
import inspect
from collections.abc import Iterable

from mmengine.config import Config
from mmengine.runner import Runner

# What the tools and the runner read, and a config may lack.
UNSET = (
    'auto_scale_lr',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'tta',
    'tta_model',
    'tta_pipeline',
)


def check_options(cfg: Config, options: Iterable[str]) -> None:
    """Refuse options that nothing would read: their first part is neither in the config nor known to the runner."""
    known = {*cfg, *inspect.signature(Runner.__init__).parameters, *UNSET}
    for option in options:
        first = option.partition('.')[0]
        if first not in known:
            near = difflib.get_close_matches(first, known)
            meant = f'; did you mean {" or ".join(near)}?' if near else ''
            raise ValueError(f'--cfg-options {option}: the config has no {first}, and nothing would read it{meant}')
