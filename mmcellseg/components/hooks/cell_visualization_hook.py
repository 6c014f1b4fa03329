"""CellVisualizationHook: draws on the image that the model saw."""

from pathlib import Path

from mmdet.engine.hooks import DetVisualizationHook
from mmdet.registry import HOOKS
from mmdet.structures import DetDataSample
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ...data.tiff import read_image
from ..transforms.load_tiff_image import LoadTiffImage


def picture_name(sample: DetDataSample) -> str:
    """File name of the drawn image, different for different images."""
    path = Path(sample.img_path)
    name = path.parent.name if path.stem == 'image' else path.stem
    return f'{sample.img_id}_{name}.png' if 'img_id' in sample else f'{name}.png'


@HOOKS.register_module()
class CellVisualizationHook(DetVisualizationHook):
    """The stock hook, with the project's reader in place of a second one that knows no such TIFFs.

    Images are read by the scale rule and the page of the data set's own :class:`LoadTiffImage`. With
    ``test_out_dir`` each test image becomes ``<image id>_<name>.png`` there, since every training image is called
    image.tif (its folder gives the name); a relative folder lies under the run's log folder.
    Masks that are RLEs want a ``CellVisualizer``.
    """

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=()) -> None:
        """Draw the first image of every ``interval``-th batch."""
        step = runner.iter + batch_idx
        if self.draw and step % self.interval == 0:
            self._add('val_img', runner.val_dataloader, outputs[0], step)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=()) -> None:
        """Draw all images."""
        for sample in outputs if self.draw else ():
            self._test_index += 1
            folder = None if self.test_out_dir is None else Path(runner.log_dir, self.test_out_dir)
            self._add('test_img', runner.test_dataloader, sample, self._test_index, folder)

    def _add(self, name: str, loader: DataLoader, sample: DetDataSample, step: int, folder: Path | None = None) -> None:
        transforms = getattr(getattr(loader.dataset, 'pipeline', None), 'transforms', ())
        reader = next((t for t in transforms if isinstance(t, LoadTiffImage)), None)
        as_seen = {} if reader is None else {'page': reader.page, 'scale': reader.scale}
        self._visualizer.add_datasample(
            name,
            read_image(sample.img_path, **as_seen),
            data_sample=sample,
            draw_gt=len(sample.get('gt_instances', ())) > 0,  # stock: an undrawn copy beside every test image
            pred_score_thr=self.score_thr,
            out_file=None if folder is None else str(folder / picture_name(sample)),
            step=step,
        )
