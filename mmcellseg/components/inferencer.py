"""MMDetection's ``DetInferencer``, and so its ``image_demo.py``, on this project's configs.

It demands the stock reader by name and full-size masks, and no registry reaches either: so two of its methods look for
``LoadTiffImage`` and for RLEs first. On other configs they do what they did.
"""

from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.dataset import Compose

from .box_masks import BoxMasks

_stock_pipeline, _stock_pred2dict = DetInferencer._init_pipeline, DetInferencer.pred2dict


def _init_pipeline(self: DetInferencer, cfg: ConfigDict) -> Compose:
    pipeline = cfg.test_dataloader.dataset.get('pipeline', ())
    reads_tiffs = any(step['type'] == 'LoadTiffImage' for step in pipeline)  # and arrays
    return Compose(pipeline) if reads_tiffs else _stock_pipeline(self, cfg)


def _pred2dict(self: DetInferencer, data_sample: DetDataSample, pred_out_dir: str = '') -> dict:
    rles = data_sample.get('pred_instances', {}).get('masks')
    if isinstance(rles, list) and rles and isinstance(rles[0], dict):
        data_sample = data_sample.clone()
        data_sample.pred_instances.masks = BoxMasks.from_rles(rles, *rles[0]['size'])  # yields bitmaps one by one
    return _stock_pred2dict(self, data_sample, pred_out_dir)


DetInferencer._init_pipeline, DetInferencer.pred2dict = _init_pipeline, _pred2dict
