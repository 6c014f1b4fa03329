"""Checkpoints that a kill, a full disk or a foreign file cannot spoil."""

import errno
import os
import re
import shutil
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import IterBasedTrainLoop, Runner

from ...structures.files import atomic_write
from ..checkpoint import check_resumable, make_plain


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(temporary: Path, path: Path) -> None:
    """Flush a written file to disk and give it its final name: a reader sees the old one or the whole new one."""
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)


# Our scores and COCO's, after any prefix: 'cell/segm_AP50', 'cell/mPQ+', 'coco/bbox_mAP', 'train_split/F1_immune'.
_SCORE = re.compile(r'(?:.*/)?(?:bbox_|segm_)?[bm]?(?:AP|PQ|F1|Dice|AJI)')


def checked_rule(key: str, rule: str | None) -> str:
    """The direction in which a metric gets better: ``rule``, or where it is None what the metric's name says.

    Raises:
        ValueError: If ``rule`` would keep the worst checkpoint.
    """
    score = _SCORE.match(key) is not None
    loss = not score and 'loss' in key.lower()
    natural = 'less' if loss else 'greater'
    if (score or loss) and rule in ('greater', 'less') and rule != natural:
        raise ValueError(
            f'AtomicCheckpointHook: rule={rule!r} with save_best={key!r} would keep the worst checkpoint: '
            f'leave rule out, or expected rule={natural!r}'
        )
    return natural if rule is None else rule


def _by_epoch(runner: Runner) -> bool:
    return not isinstance(runner.train_loop, IterBasedTrainLoop)


def validation_is_due(runner: Runner) -> bool:
    """Whether the loop validates at the place (epoch or iteration) that the run has reached."""
    loop = runner.train_loop
    if runner.val_loop is None:
        return False
    loop._decide_current_val_interval()
    done, end = (loop.epoch, loop.max_epochs) if _by_epoch(runner) else (loop.iter, loop.max_iters)
    return done >= loop.val_begin and (done % loop.val_interval == 0 or done == end)


def _tell_place(runner: Runner) -> None:
    """Put the last trained epoch and iteration into the message hub, where they stand in any validation."""
    if _by_epoch(runner):
        runner.message_hub.update_info('epoch', runner.epoch - 1)
    runner.message_hub.update_info('iter', runner.iter - 1)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's checkpoint hook, safe at every moment and for every reader.

    A checkpoint goes to a temporary file, to disk, and then to its name; ``last_checkpoint`` follows in the same
    way, and only then old files are deleted, so that it always names a whole file. Checkpoints hold plain data
    (:func:`mmcellseg.components.checkpoint.make_plain`) and the state of early stopping.

    The checkpoint of an epoch is written before its validation. A resumed run therefore repeats the validation
    due at that place first, so that the best score and early stopping know what they would have known.

    Arguments are those of ``CheckpointHook``, on local disk only. ``rule`` can be left out: of a loss less is better,
    of all else more.
    """

    def _init_rule(self, rules: list[str | None], key_indicators: list[str]) -> None:
        if len(rules) == 1:
            rules = rules * len(key_indicators)
        # The key 'auto' is the first metric's, known after a validation.
        rules = [rule if key == 'auto' else checked_rule(key, rule) for key, rule in zip(key_indicators, rules)]
        super()._init_rule(rules, key_indicators)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if is_main_process():
            for leftover in Path(self.out_dir).glob('.*.pth.tmp'):
                leftover.unlink(missing_ok=True)
        self._keep_early_stopping(runner)
        if runner.iter > 0:  # only resuming moves the loop's counters
            for hook, state in zip(_early_stopping(runner), self._loaded):
                hook.wait_count, hook.best_score = state['wait_count'], state['best_score']
            self._keep_early_stopping(runner)
            if validation_is_due(runner):
                runner.logger.info('Repeating the validation due at the checkpoint.')
                _tell_place(runner)
                runner.val_loop.run()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['early_stopping'] = self._states
        plain = make_plain(checkpoint)
        checkpoint.clear()
        checkpoint.update(plain)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            check_resumable(checkpoint, runner._load_from or runner.work_dir)
        self._loaded = checkpoint.get('early_stopping', [])

    def _keep_early_stopping(self, runner: Runner) -> None:
        # As of before a validation: resuming repeats that validation.
        self._states = [
            {'wait_count': hook.wait_count, 'best_score': hook.best_score} for hook in _early_stopping(runner)
        ]

    def after_train_epoch(self, runner: Runner) -> None:
        self._keep_early_stopping(runner)
        super().after_train_epoch(runner)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if not self.by_epoch:
            self._keep_early_stopping(runner)
        super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def _write(self, runner: Runner, filename: str, **kwargs) -> Path:
        path = Path(self.out_dir) / filename
        temporary = path.with_name(f'.{filename}.tmp')
        try:
            runner.save_checkpoint(self.out_dir, temporary.name, backend_args=self.backend_args, **kwargs)
            if is_main_process():
                publish(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            free = shutil.disk_usage(path.parent).free >> 20
            advice = f'; free some space ({free} MB are left) and go on with --resume'
            raise OSError(
                error.errno,
                f'the checkpoint cannot be written ({os.strerror(error.errno or errno.EIO)}); '
                f'earlier ones are whole{advice if error.errno == errno.ENOSPC else ""}',
                str(path),
            ) from error
        return path

    def _delete(self, name: str) -> None:
        if is_main_process():
            (Path(self.out_dir) / name).unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = None
        if self.max_keep_ckpts > 0 and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated = self.keep_ckpt_ids.popleft()
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir) / filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._write(
            runner,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            **self.args,
        )
        if is_main_process():
            atomic_write(Path(runner.work_dir) / 'last_checkpoint', self.last_ckpt)
        if outdated is not None:
            self._delete(self.filename_tmpl.format(outdated))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        kind, now = ('epoch', runner.epoch) if self.by_epoch else ('iter', runner.iter)
        meta = {'epoch': runner.epoch, 'iter': runner.iter}
        if 'auto' in self.key_indicators:
            self._init_rule(self.rules, [next(iter(metrics))])
        unknown = [key for key in self.key_indicators if key not in metrics]
        if unknown:
            raise KeyError(
                f'AtomicCheckpointHook: save_best={", ".join(unknown)} is no metric of the validation: '
                f'set it to one of {", ".join(sorted(metrics))}'
            )
        single = len(self.key_indicators) == 1
        hub = runner.message_hub
        updated = False
        for key, rule in zip(self.key_indicators, self.rules):
            suffix = '' if single else f'_{key}'
            best = hub.get_info(f'best_score{suffix}', self.init_value_map[rule])
            if metrics[key] is None or not self.is_better_than[key](metrics[key], best):
                continue
            updated = True
            previous = self.best_ckpt_path if single else self.best_ckpt_path_dict[key]
            filename = f'best_{key}_{self.filename_tmpl.format(now)}'.replace('/', '_')
            path = str(Path(self.out_dir) / filename)
            hub.update_info(f'best_score{suffix}', metrics[key])
            hub.update_info(f'best_ckpt{suffix}', path)
            if single:
                self.best_ckpt_path = path
            else:
                self.best_ckpt_path_dict[key] = path
            self._write(
                runner, filename, save_optimizer=False, save_param_scheduler=False, meta=dict(meta), by_epoch=False
            )
            if previous and previous != path:
                self._delete(Path(previous).name)
            runner.logger.info(f'Best {key} so far, {metrics[key]:.4f} at {kind} {now}: {filename}')
        # The last checkpoint was written before this validation: write it again with the new best score.
        if updated and self.last_ckpt is not None:
            self._save_checkpoint_with_step(runner, now, meta)


def _early_stopping(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]
