"""The merge of a run's predictions with those of other members, at the end of its test."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ...ensemble import build_fusion
from ...ensemble.driver import merge_files
from ...ensemble.members import Member, check_members, find_results, open_members, read_image_set
from ...ensemble.selection import MERGED, score_files
from ...export.submission import write_submission
from ...structures.run_files import RESULTS_NAME, ZIP_NAME
from ..metrics.cell_metric import write_beside_log

OWN = 'own'  # the run among the members


@HOOKS.register_module()
class EnsembleHook(Hook):
    """Merge members' predictions files with the predictions that the run's own test has written.

    Writes ``<run's folder>/ensemble/test-results.json``, and ``submission.zip`` beside it if the file of image
    ids is given. Where there are annotations, the merge's figures join the run's metrics as
    ``ensemble/segm_AP50``, …, and each member's, the run itself included, as ``ensemble/<member>/segm_AP50``, ….
    It gives the bytes and figures of tools/ensemble.py for the same members, the run being the first.

    The run's test evaluator must write a predictions file: ``CellMetric(results_file='test-results.json')``.

    Args:
        members: The others, as ``Member`` takes them: ``dict(name=…, results=…, weight=…)``.
        fusion: Config of a fusion.
        ann_file: COCO json of the images; default: the metric's.
        ids_file: test_image_name_to_ids.json; without it no zip is written.
        weight: The run's own weight. Its name is ``own``.
    """

    # Before RuntimeInfoHook (VERY_HIGH), which hands the metrics to the loggers.
    priority = 'HIGHEST'

    def __init__(
        self,
        members: Sequence[dict[str, Any]],
        fusion: dict[str, Any],
        ann_file: str | None = None,
        ids_file: str | None = None,
        weight: float = 1.0,
    ) -> None:
        self.others = [Member(**member) for member in members]
        if OWN in (member.name for member in self.others):
            raise ValueError(f'EnsembleHook: a member is named {OWN!r}, as the run itself; rename it')
        self.fusion = build_fusion(fusion)
        self.ann_file, self.ids_file, self.weight = ann_file, ids_file, weight

    def before_test(self, runner: Runner) -> None:
        """Refuse members that cannot be merged before hours of inference."""
        writers = [m for m in runner.test_loop.evaluator.metrics if getattr(m, 'results_file', None) is not None]
        if not writers:
            raise ValueError(
                "EnsembleHook: no metric of the test evaluator writes the run's predictions; "
                "set results_file='test-results.json' in its CellMetric"
            )
        self.metric = writers[0]
        if self.ann_file is None:
            self.ann_file = getattr(self.metric, 'ann_file', None)
        if self.ann_file is None:
            raise ValueError('EnsembleHook: neither it nor the test metric has an ann_file that lists the images')
        write_beside_log(runner)
        self.images = read_image_set(self.ann_file)
        if is_main_process() and self.others:
            check_members(open_members(self.others, self.images), self.images)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Merge, write, and add the figures to ``metrics``."""
        if not is_main_process():
            return
        members = [Member(OWN, str(self.metric.results_file), self.weight), *self.others]
        out_dir = Path(runner.log_dir) / 'ensemble'
        results = out_dir / RESULTS_NAME
        merged = merge_files(members, self.fusion, self.images, results, os.cpu_count() or 1)
        print_log(f'{results}: {merged.written} cells, merged from {merged.read}', 'current')
        if self.images.annotated and metrics is not None:
            files = {m.name: find_results(m.results) for m in members} | {MERGED: results}
            for member, figures in score_files(files, self.ann_file).items():
                prefix = 'ensemble' if member == MERGED else f'ensemble/{member}'
                metrics.update({f'{prefix}/{figure}': value for figure, value in figures.items()})
        if self.ids_file is not None:
            zipped = write_submission(results, self.ids_file, out_dir / ZIP_NAME, self.images.categories)
            print_log(str(zipped), 'current')
