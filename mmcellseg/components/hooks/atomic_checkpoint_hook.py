"""Checkpoints that a kill, a full disk or a foreign file cannot spoil."""

import re
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import BaseLoop, IterBasedTrainLoop, Runner

from ...structures.files import atomic_write
from .. import folder_lock
from ..atomic_backend import AtomicBackend
from ..checkpoint import check_resumable
from ..plain_checkpoint import make_plain, trim_histories

# Our scores and COCO's, after any prefix: 'cell/segm_AP50', 'cell/mPQ+', 'coco/bbox_mAP', 'train_split/F1_immune'.
_SCORE = re.compile(r'(?:.*/)?(?:bbox_|segm_)?[bm]?(?:AP|PQ|F1|Dice|AJI)')


def _natural_rule(key: str) -> str | None:
    """The direction in which a metric gets better by its name; None if that does not say it."""
    if _SCORE.match(key):
        return 'greater'
    return 'less' if 'loss' in key.lower() else None


def _validation_is_due(runner: Runner) -> bool:
    """Whether the loop validates at the place (epoch or iteration) that the run has reached."""
    loop = runner.train_loop
    if runner.val_loop is None:
        return False
    loop._decide_current_val_interval()
    by_iter = isinstance(loop, IterBasedTrainLoop)
    done, end = (loop.iter, loop.max_iters) if by_iter else (loop.epoch, loop.max_epochs)
    return done >= loop.val_begin and (done % loop.val_interval == 0 or done == end)


def _early_stopping(runner: Runner) -> list[EarlyStoppingHook]:
    return [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]


def _states(runner: Runner) -> list[dict]:
    return [{'wait_count': hook.wait_count, 'best_score': hook.best_score} for hook in _early_stopping(runner)]


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
    """

    # Early stopping as loaded, or as of before the validation that runs, which resuming repeats.
    _before: list[dict] | None = None

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
        rules = rules * len(key_indicators) if len(rules) == 1 else rules
        natural = [_natural_rule(key) for key in key_indicators]
        if (self.greater_keys, self.less_keys) == (self._default_greater_keys, self._default_less_keys):
            rules = [said if rule is None else rule for rule, said in zip(rules, natural)]
        super()._init_rule(rules, key_indicators)
        for key, rule, said in zip(key_indicators, self.rules, natural):
            if said not in (None, rule):
                raise ValueError(
                    f'AtomicCheckpointHook: rule={rule!r} with save_best={key!r} would keep the worst checkpoint: '
                    f'leave rule out, or expected rule={said!r}'
                )

    def before_run(self, runner: Runner) -> None:
        if isinstance(runner._train_loop, BaseLoop) and is_main_process():
            folder_lock.hold(runner.work_dir)

    def after_run(self, runner: Runner) -> None:
        folder_lock.release(runner.work_dir)

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        if is_main_process():
            for leftover in Path(self.out_dir).glob('.*.pth.tmp'):
                leftover.unlink(missing_ok=True)
        loaded, self._before = self._before or (), None
        if runner.iter == 0:  # only resuming moves the loop's counters
            return
        for hook, state in zip(_early_stopping(runner), loaded):
            hook.wait_count, hook.best_score = state['wait_count'], state['best_score']
        if _validation_is_due(runner):
            runner.logger.info('Repeating the validation due at the checkpoint.')
            # The last trained epoch and iteration stand in the message hub in any validation.
            if not isinstance(runner.train_loop, IterBasedTrainLoop):
                runner.message_hub.update_info('epoch', runner.epoch - 1)
            runner.message_hub.update_info('iter', runner.iter - 1)
            runner.val_loop.run()

    def before_val(self, runner: Runner) -> None:
        self._before = _states(runner)

    def after_val(self, runner: Runner) -> None:
        self._before = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['early_stopping'] = _states(runner) if self._before is None else self._before
        trim_histories(checkpoint['message_hub'], runner.log_processor)
        plain = make_plain(checkpoint)
        checkpoint.clear()
        checkpoint.update(plain)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume:
            check_resumable(checkpoint, runner._load_from or runner.work_dir)
        self._before = checkpoint.get('early_stopping')

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        # Stock: the oldest file goes first, and last_checkpoint is written in place.
        outdated = None
        if self.max_keep_ckpts > 0 and (not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step):
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated = Path(self.out_dir) / self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
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
                outdated.unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        unknown = [key for key in (self.key_indicators if self.save_best else ()) if key not in {'auto', *metrics}]
        if unknown:
            raise KeyError(
                f'AtomicCheckpointHook: save_best={", ".join(unknown)} is no metric of the validation: '
                f'set it to one of {", ".join(sorted(metrics))}'
            )
        if hasattr(self, 'file_backend'):  # not in a validation by itself, where nothing is trained
            super()._save_best_checkpoint(runner, metrics)
