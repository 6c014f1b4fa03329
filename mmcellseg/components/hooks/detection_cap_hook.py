"""A cap on detections that was reached is said."""

from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...evaluation.caps import caps_reached, detection_caps
from ..models.unwrap import unwrapped


@HOOKS.register_module()
class DetectionCapHook(Hook):
    """Names, at the end of a run, the images of its last validation or test that reached a cap of the model's
    ``test_cfg``. With test-time augmentation the view with most detections counts."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def before_val_epoch(self, runner: Runner) -> None:
        self.counts = {}

    before_test_epoch = before_val_epoch

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        for sample in outputs or ():
            if 'pred_instances' in sample:
                path = Path(str(sample.get('img_path', sample.get('img_id'))))
                name = '/'.join(path.parts[-2:])  # of training images the folder alone tells them apart
                self.counts[name] = sample.get('most_detections', len(sample.pred_instances))

    after_test_iter = after_val_iter

    def after_run(self, runner: Runner) -> None:
        counts = {name: number for of_rank in all_gather_object(self.counts) for name, number in of_rank.items()}
        for message in caps_reached(counts, detection_caps(getattr(unwrapped(runner.model), 'test_cfg', None) or {})):
            runner.logger.warning(message)
