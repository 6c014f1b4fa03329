"""The record of a run, beside its checkpoints."""

import math
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from ...reporting import records
from ...structures.run_files import RECORD_NAME
from .. import provenance
from .. import record as ledger
from ..config_paths import annotation_file, config_datasets
from ..metrics.cell_metric import write_beside_log


def _now() -> str:
    return datetime.now().isoformat(timespec='seconds')


@HOOKS.register_module()
class RecordHook(Hook):
    """Writes ``record.json`` into the run's folder: at the start of training, after every epoch, and at the end.

    It holds the keys in which the config, command line included, differs from its parent, the model's size, the code,
    whose weights, the machine, the seed, the data, and what the run reached; ``status`` is ``'unfinished'`` until the
    run ends. All keys of the config are in ``config.json`` beside it. A test run's record goes into its own
    ``<timestamp>`` folder. A folder that holds the record of another experiment is refused
    (:func:`~mmcellseg.components.record.check_work_dir`); a record that makes room for a new one keeps its content
    under another name.
    """

    # Its before_train comes before the checkpoint hook's, which validates first when a run is resumed.
    priority = 'LOW'

    def __init__(self) -> None:
        self.record: dict[str, Any] = {}
        self.complete = False

    def _facts(self, runner: Runner, kind: str, *datasets: str) -> dict[str, Any]:
        sizes = [(p.numel(), p.requires_grad) for p in runner.model.parameters()]
        files = dict.fromkeys(filter(None, map(annotation_file, config_datasets(runner.cfg, *datasets))))
        weights = runner._load_from  # None, a file, or an address, which has no hash
        return {
            'status': 'unfinished',
            'kind': kind,
            'config': ledger.config_facts(runner.cfg),
            'seed': runner.seed,
            'processes': runner.world_size,
            'model': {
                'name': runner.model_name,
                'parameters': sum(n for n, _ in sizes),
                'trainable': sum(n for n, trained in sizes if trained),
            },
            'code': provenance.git_state(),
            'weights': {'file': weights.removeprefix(ledger.HERE), 'sha256': provenance.sha256(weights)}
            if weights and Path(weights).is_file()
            else None,
            'versions': provenance.package_versions(),
            'hardware': provenance.hardware(),
            'data': {
                path.removeprefix(ledger.HERE): provenance.describe_annotations(path)
                for path in files
                if Path(path).is_file()
            },
            'metrics': {'best': None, 'last': None},
        }

    def _begin(self, runner: Runner, record: dict[str, Any], begun: dict[str, Any]) -> None:
        self.record = {**record, 'time': dict(begun)}
        self.wall_before, self.clock = begun.get('wall_s', 0.0), time.monotonic()
        self._update(runner, ledger.experiment(runner.cfg))

    def before_train(self, runner: Runner) -> None:
        differing = ledger.check_work_dir(runner.cfg, runner._resume)
        if not is_main_process():
            return
        self.folder = Path(runner.work_dir)
        if runner.iter > 0 and (self.folder / RECORD_NAME).is_file():
            return self._go_on(runner, records.read_record(self.folder))
        kept = records.set_aside(self.folder)
        if differing:
            keys = ', '.join(differing)
            runner.logger.warning(f'Took the folder of another experiment, whose record is now {kept}: {keys} differ')
        elif kept is not None:
            runner.logger.warning(
                f'Restarting in the folder of an earlier run of this config, whose record is now {kept}; its '
                'checkpoints will be overwritten. --resume continues instead'
            )
        self._begin(runner, self._facts(runner, 'train', 'train', 'val'), {'started': _now(), 'wall_s': 0.0})

    def _go_on(self, runner: Runner, earlier: dict[str, Any]) -> None:
        self.complete = earlier['status'] == 'finished' and runner.iter >= runner.max_iters
        if self.complete:  # nothing is left to train: what was recorded stays
            self.record = earlier
            return
        facts = self._facts(runner, 'train', 'train', 'val')
        facts |= {key: earlier[key] for key in ('metrics', 'exposure', 'weights') if key in earlier}
        start = {'at': _now(), 'commit': facts['code']['commit'], 'epoch': runner.epoch, 'iter': runner.iter}
        facts['code'] = {**earlier['code'], 'dirty': earlier['code']['dirty'] or facts['code']['dirty']}
        if earlier['status'] == 'unfinished':
            start['after'] = earlier.get('error', 'an end without a note, as when killed')
        start['changed'] = ledger.changes_since(earlier, ledger.experiment(runner.cfg))
        facts['resumed'] = [*earlier.get('resumed', []), start]
        begun = earlier['time']
        self._begin(runner, facts, {'started': begun['started'], 'wall_s': begun['wall_s']})

    def _update(self, runner: Runner, values: dict[str, Any] | None = None) -> None:
        self.record['time']['updated'] = _now()
        self.record['time']['wall_s'] = round(self.wall_before + time.monotonic() - self.clock, 1)
        self.record['peak_memory'] = provenance.peak_memory()
        exposure = runner.message_hub.get_info('exposure')
        if exposure is not None:
            # Before the first epoch of a resumed run nothing is measured yet: the earlier shares stay.
            self.record['exposure'] = {**(self.record.get('exposure') or {}), **exposure}
        if self.record['kind'] == 'train':
            loop = runner.train_loop
            self.record['progress'] = {key: getattr(loop, key) for key in ('epoch', 'max_epochs', 'iter', 'max_iters')}
        records.write_record(self.folder, self.record, values)

    def after_train_epoch(self, runner: Runner) -> None:
        if is_main_process():
            self._update(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if not is_main_process() or not metrics or not self.record or self.complete:
            return
        now = {'epoch': runner.epoch, 'iter': runner.iter, **metrics}
        best = self.record['metrics']['best']
        key, less = _monitored(runner, metrics)
        # A first NaN would stay the best for good: nothing is above or below it.
        if best is None or math.isnan(best[key]) or (metrics[key] < best[key] if less else metrics[key] > best[key]):
            self.record['metrics']['best'] = now
        self.record['metrics']['last'] = now
        self._update(runner)

    def before_test(self, runner: Runner) -> None:
        write_beside_log(runner)  # MMDetection's own test.py does not
        if is_main_process():
            self.folder = Path(runner.log_dir)
            self._begin(runner, self._facts(runner, 'test', 'test'), {'started': _now()})

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if is_main_process():
            self.record['metrics'] = {'best': metrics or None, 'last': metrics or None}

    def after_run(self, runner: Runner) -> None:
        if not is_main_process() or not self.record:
            return
        if self.record['kind'] == 'train':
            hub = runner.message_hub
            paths = {name: hub.get_info(f'{name}_ckpt') for name in ('last', 'best')}
            self.record['checkpoint'] = {
                name: {'file': Path(path).name, 'sha256': provenance.sha256(path)}
                for name, path in paths.items()
                if path and Path(path).is_file()
            }
        if self.complete:  # its checkpoint may have been written anew
            records.write_record(self.folder, self.record)
            return
        self.record['status'] = 'finished'
        self.record['time']['finished'] = _now()
        self._update(runner)


def _monitored(runner: Runner, metrics: dict[str, float]) -> tuple[str, bool]:
    """The metric that chooses the best epoch, and whether less is better: as the checkpoint hook has it."""
    hook = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    if hook is not None and hook.save_best and hook.key_indicators[0] in metrics:
        return hook.key_indicators[0], hook.rules[0] == 'less'
    return next(iter(metrics)), False
