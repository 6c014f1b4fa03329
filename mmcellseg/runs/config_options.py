"""Config files and options of the command line, refused where nothing would read them."""

import difflib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

PROJECT = Path(__file__).resolve().parents[2]
COMPONENTS = 'mmcellseg.components'
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


class ConfigError(ValueError):
    """A config or an option that cannot be used; the message names it."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``'; did you mean …?'`` with the nearest of the known names, ``''`` if none is near."""
    near = difflib.get_close_matches(name, list(known), cutoff=cutoff)
    return f'; did you mean {" or ".join(near)}?' if near else ''


def read_config(path: str | Path) -> Config:
    """Read a config file; its ``custom_imports`` are done here.

    Raises:
        ConfigError: It is not there, cannot be read, or imports what registers nothing.
    """
    path = Path(path)
    if not path.is_file():
        near = {leaf.stem: leaf for leaf in [*(PROJECT / 'configs').rglob('*.py'), *path.parent.glob('*.py')]}
        found = difflib.get_close_matches(path.stem, near, n=2)
        meant = f'; did you mean {" or ".join(_shown(near[name]) for name in found)}?' if found else ''
        raise ConfigError(f'{path}: there is no such config{meant}')
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is Python
        text = next(iter(str(error).strip().splitlines()), '')
        hint = f': custom_imports = dict(imports=[{COMPONENTS!r}])' if 'mmcellseg' in text or 'mapping' in text else ''
        raise ConfigError(f'{path}: cannot be read as a config ({type(error).__name__}: {text}){hint}') from error
    imports = (cfg.get('custom_imports') or {}).get('imports') or []
    if 'mmcellseg' in ([imports] if isinstance(imports, str) else imports):
        raise ConfigError(
            f"{path}: custom_imports names 'mmcellseg', which registers nothing any more: write "
            f'custom_imports = dict(imports=[{COMPONENTS!r}])'
        )
    _check_names(cfg)
    return cfg


def _shown(path: Path) -> str:
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def _runner_keys() -> set[str]:
    return set(inspect.signature(Runner.__init__).parameters)


def _check_names(cfg: Config) -> None:
    """Refuse a variable that is nearly one that the runner reads; other variables are a config's own."""
    known = {*_runner_keys(), *UNSET}
    for name in cfg:
        meant = did_you_mean(name, known, 0.9)
        if name not in known and meant:
            raise ConfigError(f'{cfg.filename}: nothing reads {name}{meant}')


def check_options(cfg: Config, options: Iterable[str]) -> None:
    """Refuse options that nothing would read.

    Their first part is then neither in the config nor known to the runner, or a later part is not in the config but
    nearly a key that is.
    """
    for option in options:
        first, *rest = option.split('.')
        known = {*cfg, *_runner_keys(), *UNSET}
        if first not in known:
            raise ConfigError(
                f'--cfg-options {option}: the config has no {first}, and nothing would read it'
                f'{did_you_mean(first, known)}'
            )
        value: Any = cfg.get(first)
        for key in rest:
            if isinstance(value, list | tuple) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                meant = did_you_mean(key, value, 0.8) if isinstance(value, dict) else ''
                if meant:
                    raise ConfigError(f'--cfg-options {option}: the config has no {key} there{meant}')
                break
