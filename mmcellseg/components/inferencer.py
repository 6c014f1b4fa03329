"""MMDetection's ``DetInferencer``, and so its ``image_demo.py``, on this project's configs.

It demands the stock reader by name and full-size masks, and no registry reaches either: so two of its methods look for
``LoadTiffImage`` and for RLEs first. On other configs they do what they did.
"""

from collections.abc import Callable
from functools import wraps

from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.dataset import Compose

from .box_masks import BoxMasks


def _reads_tiffs(stock: Callable) -> Callable:
    @wraps(stock)
    def _init_pipeline(self: DetInferencer, cfg: ConfigDict) -> Compose:
        pipeline = cfg.test_dataloader.dataset.get('pipeline', ())
        if all(step['type'] != 'LoadTiffImage' for step in pipeline):
            return stock(self, cfg)
        return Compose(pipeline)  # the reader takes paths and arrays itself

    return _init_pipeline


def _takes_rles(stock: Callable) -> Callable:
    @wraps(stock)
    def pred2dict(self: DetInferencer, data_sample: DetDataSample, pred_out_dir: str = '') -> dict:
        found = data_sample.get('pred_instances', {})
        if isinstance(rles := found.get('masks'), list) and rles and isinstance(rles[0], dict):
            data_sample = data_sample.clone()
            data_sample.pred_instances.masks = BoxMasks.from_rles(rles, *rles[0]['size'])  # yields bitmaps one by one
        return stock(self, data_sample, pred_out_dir)

    return pred2dict


DetInferencer._init_pipeline = _reads_tiffs(DetInferencer._init_pipeline)
DetInferencer.pred2dict = _takes_rles(DetInferencer.pred2dict)
