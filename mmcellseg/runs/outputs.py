"""What a test writes: predictions under their standard name, a submission of them, a dump."""

from collections.abc import Sequence
from pathlib import Path

from mmdet.evaluation import DumpDetResults
from mmengine.config import Config
from mmengine.evaluator.metric import _to_cpu
from mmengine.runner import Runner

from ..components.config_paths import annotation_file, config_datasets
from ..export.submission import CATEGORY_IDS, write_submission
from ..structures.coco import read_image_ids
from ..structures.run_files import RESULTS_NAME, VALIDATION_NAME, ZIP_NAME

IDS_NAME = 'test_image_name_to_ids.json'


def formats_only(cfg: Config) -> bool:
    """Whether the test writes predictions under their standard name."""
    evaluator = cfg.test_evaluator
    return isinstance(evaluator, dict) and evaluator.get('results_file') == RESULTS_NAME


def set_format_only(cfg: Config) -> None:
    """Write predictions instead of measuring them; the test set needs no annotations then."""
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    chosen = next((e for e in evaluators if e.type == 'CellMetric'), {'type': 'CellMetric'})
    cfg.test_evaluator = {**chosen, 'format_only': True, 'results_file': RESULTS_NAME}


def set_validation(cfg: Config, results_file: str = VALIDATION_NAME) -> None:
    """Test on the validation images: measured, with their predictions in ``results_file`` (in the log's folder)."""
    cfg.test_dataloader = cfg.val_dataloader
    cfg.test_evaluator = {**cfg.val_evaluator, 'results_file': results_file}
    cfg.test_cfg = {'type': 'TestLoop'}


def find_ids_file(cfg: Config, path: str | None = None) -> Path:
    """The file that lists the test images: ``path``, else the one of the test set, else its annotation file.

    It is read here, before a test that ends in nothing: ``CocoError`` if it lists none.
    """
    dataset = config_datasets(cfg, 'test')[0]
    of_the_set = [Path(dataset.get('data_root') or '') / IDS_NAME, Path(annotation_file(dataset) or '')]
    candidates = of_the_set if path is None else [Path(path)]
    for candidate in candidates:
        if candidate.is_file():
            read_image_ids(candidate)
            return candidate
    raise FileNotFoundError(f'no list of test images: looked for {", ".join(map(str, candidates))}; give --ids FILE')


def write_zip(runner: Runner, ids_file: Path) -> None:
    """Zip the predictions of a run with ``--format-only``, checked, as ``submission.zip`` beside them."""
    results = Path(runner.log_dir) / RESULTS_NAME
    categories = getattr(runner.test_dataloader.dataset, 'cat_ids', CATEGORY_IDS)
    submission = write_submission(results, ids_file, results.with_name(ZIP_NAME), categories)
    runner.logger.info(f'predictions: {results}\nsubmission: {submission}')


class DumpPredictions(DumpDetResults):
    """MMDetection's dump of the predictions, for masks that are RLE already too."""

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            if isinstance(sample.get('pred_instances', {}).get('masks'), list):
                kept = {k: v for k, v in sample.items() if k not in ('gt_instances', 'ignored_instances')}
                self.results.extend(_to_cpu([kept]))
            else:
                super().process(data_batch, [sample])
