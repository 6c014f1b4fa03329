"""Config files and options of the command line, refused where nothing would read them."""

import difflib
import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

PROJECT = Path(__file__).resolve().parents[2]
IMPORTS = "custom_imports = dict(imports=['mmcellseg.components'])"
# What the runner and the tools read; the latter a config may lack.
KNOWN = {
    *inspect.signature(Runner.__init__).parameters,
    *('auto_scale_lr', 'find_unused_parameters', 'model_wrapper_cfg', 'tta', 'tta_model', 'tta_pipeline'),
}


class ConfigError(ValueError):
    """A config or an option that cannot be used; the message names it."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``'; did you mean …?'`` with the nearest of the known names, ``''`` if none is near."""
    near = difflib.get_close_matches(name, list(known), cutoff=cutoff)
    return f'; did you mean {" or ".join(near)}?' if near else ''


def read_config(path: str | Path) -> Config:
    """Read a config file, and do its ``custom_imports``; one that cannot be meant so is refused (``ConfigError``)."""
    path = Path(path)
    if not path.is_file():
        leaves = {leaf.stem: leaf for leaf in [*(PROJECT / 'configs').rglob('*.py'), *path.parent.glob('*.py')]}
        near = [leaves[name] for name in difflib.get_close_matches(path.stem, leaves, n=2)]
        shown = [str(leaf.relative_to(PROJECT) if leaf.is_relative_to(PROJECT) else leaf) for leaf in near]
        raise ConfigError(
            f'{path}: there is no such config' + (f'; did you mean {" or ".join(shown)}?' if shown else '')
        )
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # a config is Python
        text = next(iter(str(error).strip().splitlines()), '')
        hint = f': {IMPORTS}' if 'mmcellseg' in text or 'mapping' in text else ''
        raise ConfigError(f'{path}: cannot be read as a config ({type(error).__name__}: {text}){hint}') from error
    imports = (cfg.get('custom_imports') or {}).get('imports') or []
    if 'mmcellseg' in ([imports] if isinstance(imports, str) else imports):
        raise ConfigError(
            f"{path}: custom_imports names 'mmcellseg', which registers nothing any more: write {IMPORTS}"
        )
    for name in cfg:
        if name not in KNOWN and (meant := did_you_mean(name, KNOWN, 0.9)):
            raise ConfigError(f'{path}: nothing reads {name}{meant}')
    return cfg


def check_options(cfg: Config, options: Iterable[str]) -> None:
    """Refuse options that nothing would read, or of which a part is nearly a key of the config."""
    for option in options:
        first, *rest = option.split('.')
        if first not in {*cfg, *KNOWN}:
            raise ConfigError(
                f'--cfg-options {option}: the config has no {first}, and nothing would read it'
                f'{did_you_mean(first, {*cfg, *KNOWN})}'
            )
        value: Any = cfg.get(first)
        for key in rest:
            if isinstance(value, list | tuple) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                if isinstance(value, dict) and (meant := did_you_mean(key, value, 0.8)):
                    raise ConfigError(f'--cfg-options {option}: the config has no {key} there{meant}')
                break
