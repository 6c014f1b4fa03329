"""Ensembles: their members tested where predictions are missing, and a step that only merges steps before it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config

from ..components import provenance
from ..ensemble import build_fusion
from ..ensemble.calibration import write_calibration
from ..ensemble.driver import merge_files
from ..ensemble.members import Member, find_results, read_image_set, share_out_of_fold, write_ensemble
from ..export.submission import write_submission
from ..reporting import records
from ..structures.results import ResultsError
from ..structures.run_files import RESULTS_NAME, VALIDATION_NAME, ZIP_NAME, checkpoint_of
from .processes import run_tool
from .steps import check_publishable, finish_step, is_finished, submitted


def is_ensemble(cfg: Config) -> bool:
    """Whether a config is one of ``configs/ensembles/``."""
    return 'members' in cfg and 'fusion' in cfg


def find_checkpoint(member: Member) -> Path:
    """The member's checkpoint: the one it names, else the best, else the last of the folder of its runs."""
    if member.checkpoint is None:
        try:
            return checkpoint_of(member.results)
        except FileNotFoundError as error:
            raise FileNotFoundError(f'member {member.name!r}: {error}; train it, or name it in the config') from None
    if not Path(member.checkpoint).is_file():
        raise FileNotFoundError(f'member {member.name!r}: there is no checkpoint {member.checkpoint}')
    return Path(member.checkpoint)


def run_missing(members: Sequence[Member]) -> list[str]:
    """Test the members that have no predictions yet, one after the other, and return their names.

    Raises:
        FileNotFoundError: One of them has no config or no checkpoint; said before any is tested.
        ResultsError: A test ran and left no predictions.
        RuntimeError: A test failed.
    """
    waiting = []
    for member in members:
        try:
            find_results(member.results)
        except ResultsError:
            if member.config is None or not Path(member.config).is_file():
                raise FileNotFoundError(f'member {member.name!r}: no config {member.config}') from None
            if member.results.endswith('.json'):
                raise FileNotFoundError(
                    f'member {member.name!r}: results must be the folder of its runs to test it, found {member.results}'
                ) from None
            waiting.append((member, find_checkpoint(member)))
    for member, checkpoint in waiting:
        run_tool('test.py', str(member.config), str(checkpoint), '--format-only', '--work-dir', member.results)
        find_results(member.results)
    return [member.name for member, _ in waiting]


def _merge(cfg: Config, members: Sequence[Member], ann_file: str, out: Path) -> None:
    merge_files(members, build_fusion(cfg.fusion), read_image_set(ann_file), out)


def run_ensemble_step(config: str, folder: Path) -> None:
    """Merge the members' predictions of the validation images (their ``oof`` files), record and score the outcome.

    Members with the same file are one there (see ``share_out_of_fold``), with their weights added. What an earlier call
    has finished is kept. A fusion's ``calibration`` whose file is not there is fitted on the same files, and written.
    """
    if is_finished(folder):
        return
    cfg = Config.fromfile(config)
    members = [Member(**member) for member in cfg.members]
    lacking = [member.name for member in members if not isinstance(member.oof, str)]
    if lacking or not cfg.get('oof_ann_file'):
        raise ValueError(
            f'{config}: expected oof_ann_file, and one oof file a member; lacking: {lacking or "oof_ann_file"}'
        )
    check_publishable(folder)
    begun = time.monotonic()
    curves = cfg.fusion.get('calibration')
    if isinstance(curves, str) and not Path(curves).is_file():
        write_calibration(curves, members, cfg.oof_ann_file)
    validated = [
        replace(group[0], results=str(group[0].oof), weight=sum(member.weight for member in group))
        for group in share_out_of_fold(members)
    ]
    _merge(cfg, validated, cfg.oof_ann_file, folder / VALIDATION_NAME)
    write_ensemble(folder, validated, cfg.fusion.to_dict(), cfg.oof_ann_file)
    values = {'members': {member.name: member.weight for member in members}, 'fusion': cfg.fusion.to_dict()}
    record = {
        'status': 'finished',
        'kind': 'ensemble',
        'config': {'file': config, 'values': records.flatten(values)},
        'code': provenance.git_state(),
        'versions': provenance.package_versions(),
        'hardware': provenance.hardware(),
        'data': {cfg.oof_ann_file: provenance.describe_annotations(cfg.oof_ann_file)},
        'time': {'wall_s': round(time.monotonic() - begun, 1)},
        'peak_memory': provenance.peak_memory(),
    }
    finish_step(config, folder, record, cfg.oof_ann_file)


def submit_ensemble_step(config: str, folder: Path) -> Path:
    """Merge the members' predictions of the test images and zip them; what an earlier call has finished is kept."""
    if (done := submitted(folder)) is not None:
        return done
    cfg = Config.fromfile(config)
    results = folder / RESULTS_NAME
    _merge(cfg, [Member(**member) for member in cfg.members], cfg.ann_file, results)
    write_submission(results, cfg.ids_file, folder / ZIP_NAME, read_image_set(cfg.ann_file).categories)
    return folder / ZIP_NAME
