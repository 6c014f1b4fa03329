"""A step of a series of experiments that trains nothing: it merges steps before it, on both sets of images."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..components import provenance
from ..ensemble import build_fusion
from ..ensemble.driver import Merged, merge_files
from ..ensemble.members import Member, read_image_set, write_ensemble
from ..export.submission import write_submission
from ..reporting import records
from ..structures.run_files import METRICS_NAME, RESULTS_NAME, VALIDATION_NAME, ZIP_NAME
from .steps import check_publishable, finish_step, submitted


def is_ensemble(cfg: Config) -> bool:
    """Whether a config is one of ``configs/ensembles/``."""
    return 'members' in cfg and 'fusion' in cfg


def _merge(cfg: Config, members: Sequence[Member], ann_file: str, out: Path) -> Merged:
    return merge_files(members, build_fusion(cfg.fusion), read_image_set(ann_file), out)


def _record(config: str, cfg: Config, seconds: float) -> dict[str, Any]:
    members = {member['name']: member.get('weight', 1) for member in cfg.members}
    return {
        'status': 'finished',
        'kind': 'ensemble',
        'config': {'file': config, 'values': records.flatten({'members': members, 'fusion': cfg.fusion.to_dict()})},
        'code': provenance.git_state(),
        'versions': provenance.package_versions(),
        'hardware': provenance.hardware(),
        'data': {cfg.oof_ann_file: provenance.describe_annotations(cfg.oof_ann_file)},
        'time': {'wall_s': round(seconds, 1)},
        'peak_memory': provenance.peak_memory(),
    }


def run_ensemble_step(config: str, folder: Path) -> None:
    """Merge the members' predictions of the validation images (their ``oof`` files), record and score the outcome.

    What an earlier call has finished is kept.

    Raises:
        ValueError: The config has no ``oof_ann_file``, or a member no single ``oof`` file.
    """
    if (folder / METRICS_NAME).is_file():
        print(f'{folder.name}: done already')
        return
    cfg = Config.fromfile(config)
    members = [Member(**member) for member in cfg.members]
    lacking = [member.name for member in members if not isinstance(member.oof, str)]
    if lacking or not cfg.get('oof_ann_file'):
        raise ValueError(
            f'{config}: expected oof_ann_file, and one oof file a member; lacking: {lacking or "oof_ann_file"}'
        )
    check_publishable(folder)
    results = folder / VALIDATION_NAME
    begun = time.monotonic()
    validated = [replace(member, results=str(member.oof)) for member in members]
    _merge(cfg, validated, cfg.oof_ann_file, results)
    write_ensemble(folder, validated, cfg.fusion.to_dict(), cfg.oof_ann_file)
    finish_step(config, folder, _record(config, cfg, time.monotonic() - begun), results, cfg.oof_ann_file)


def submit_ensemble_step(config: str, folder: Path) -> Path:
    """Merge the members' predictions of the test images and zip them; what an earlier call has finished is kept."""
    cfg = Config.fromfile(config)
    if (done := submitted(folder)) is not None:
        return done
    results, target = folder / RESULTS_NAME, folder / ZIP_NAME
    _merge(cfg, [Member(**member) for member in cfg.members], cfg.ann_file, results)
    write_submission(results, cfg.ids_file, target, read_image_set(cfg.ann_file).categories)
    return target
