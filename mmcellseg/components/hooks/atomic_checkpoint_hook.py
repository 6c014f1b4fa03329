"""Checkpoints that a kill, a full disk or a foreign file cannot spoil."""

import re
from contextlib import suppress
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner

from ...structures.files import atomic_write
from .. import folder_lock
from ..atomic_backend import AtomicBackend
from ..checkpoint import check_resumable
from ..plain_checkpoint import history_needed, make_plain, trim_histories

# Our scores and COCO's, after any prefix: 'cell/segm_AP50', 'cell/mPQ+', 'coco/bbox_mAP', 'train_split/F1_immune'.
_SCORE = re.compile(r'(?:.*/)?(?:bbox_|segm_)?[bm]?(?:AP|PQ|F1|Dice|AJI)')


def checked_rule(key: str, rule: str | None) -> str | None:
    """The direction in which a metric gets better: ``rule``, or where it is None what the metric's name says.

    None if neither does.

    Raises:
        ValueError: If ``rule`` would keep the worst checkpoint.
    """
    score = _SCORE.match(key) is not None
    natural = 'greater' if score else 'less' if 'loss' in key.lower() else None
    if natural is not None and rule in ('greater', 'less') and rule != natural:
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

    Checkpoints are written by :class:`~mmcellseg.components.atomic_backend.AtomicBackend`; ``last_checkpoint``
    follows, whole too, and only then old files are deleted. They hold plain data
    (:func:`mmcellseg.components.plain_checkpoint.make_plain`), of the logged histories what a resumed run still
    averages, and the state of early stopping. A folder takes one training at a time
    (:mod:`mmcellseg.components.folder_lock`).

    The checkpoint of an epoch is written before its validation. A resumed run therefore repeats the validation
    due at that place first, so that the best score and early stopping know what they would have known.

    Arguments are those of ``CheckpointHook``, on local disk only. ``rule`` can be left out where the key says it:
    of a loss less is better, of a score more.

    Raises:
        ValueError: A folder or file backend that is not the local disk, a rule that would keep the worst checkpoint,
            or none for a key that does not say it.
    """

    # As of before a validation, which resuming repeats.
    _states: list[dict] = []
    _loaded: list[dict] = []

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        backend = (self.backend_args or {}).get('backend', 'local')
        if self.file_client_args or backend not in ('local', 'LocalBackend') or '://' in str(self.out_dir):
            raise ValueError(
                f'AtomicCheckpointHook: out_dir={self.out_dir!r}, backend_args={self.backend_args!r}, '
                f'file_client_args={self.file_client_args!r}: checkpoints go to the local disk, expected none of them '
                'remote; for other places take CheckpointHook'
            )
        self.backend_args = {'backend': AtomicBackend.__name__}

    def _init_rule(self, rules: list[str | None], key_indicators: list[str]) -> None:
        if len(rules) == 1:
            rules = rules * len(key_indicators)
        # The key 'auto' is the first metric's, known after a validation.
        rules = [rule if key == 'auto' else self._rule(key, rule) for key, rule in zip(key_indicators, rules)]
        super()._init_rule(rules, key_indicators)

    def _rule(self, key: str, rule: str | None) -> str | None:
        """What is given, else what greater_keys and less_keys say where they are given, else the key's name."""
        defaults = (self._default_greater_keys, self._default_less_keys)
        if rule is None and (self.greater_keys, self.less_keys) != defaults:
            with suppress(ValueError):  # in none of them
                super()._init_rule([None], [key])
                rule = self.rules[0]
        return checked_rule(key, rule)

    def before_run(self, runner: Runner) -> None:
        if isinstance(runner._train_loop, BaseLoop) and is_main_process():
            folder_lock.hold(runner.work_dir)

    def after_run(self, runner: Runner) -> None:
        folder_lock.release(runner.work_dir)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if is_main_process():
            self.file_backend.remove_outdated()
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
        trim_histories(checkpoint['message_hub'], history_needed(runner.log_processor))
        plain = make_plain(checkpoint)
        checkpoint.clear()
        checkpoint.update(plain)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            check_resumable(checkpoint, runner._load_from or runner.work_dir)
        self._states = self._loaded = checkpoint.get('early_stopping', [])

    def _keep_early_stopping(self, runner: Runner) -> None:
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

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        # Stock: the oldest file goes first, and last_checkpoint is written in place.
        if is_main_process():
            self.file_backend.remove_outdated()  # a better one is there
        outdated = None
        if self.max_keep_ckpts > 0 and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated = self.keep_ckpt_ids.popleft()
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir) / filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            atomic_write(Path(runner.work_dir) / 'last_checkpoint', self.last_ckpt)
            if outdated is not None:
                (Path(self.out_dir) / self.filename_tmpl.format(outdated)).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        unknown = [key for key in (self.key_indicators if self.save_best else ()) if key not in {'auto', *metrics}]
        if unknown:
            raise KeyError(
                f'AtomicCheckpointHook: save_best={", ".join(unknown)} is no metric of the validation: '
                f'set it to one of {", ".join(sorted(metrics))}'
            )
        if not hasattr(self, 'file_backend'):
            return  # a validation by itself: nothing is trained
        super()._save_best_checkpoint(runner, metrics)
        if is_main_process():
            self.file_backend.remove_outdated()


def _early_stopping(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]
