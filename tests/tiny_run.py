"""A data set, a config and processes so small that a whole run takes a second or two.

Processes fork from a server that has imported MMDetection already, since its import takes several seconds.
"""

import gc
import json
import multiprocessing
import os
import runpy
import socket
import sys
from pathlib import Path

import cv2
import numpy as np
from drawn_cells import annotations

REPO = Path(__file__).resolve().parents[1]
SIZE = 64
_SERVER = multiprocessing.get_context('forkserver')
_SERVER.set_forkserver_preload(['torch._dynamo', 'mmdet.apis', 'mmcellseg.runs.launch'])

CONFIG = """
custom_imports = dict(imports=['mmcellseg.components'], allow_failed_imports=False)
default_scope = 'mmdet'
classes = ('class1', 'class2')
load = dict(type='LoadTiffImage')
pack = dict(type='PackDetInputs')
augment = dict(type='RandomFlip', prob=0.5)
def data(split, batch_size, steps, **kwargs):
    return dict(
        batch_size=batch_size,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=split == 'train'),
        dataset=dict(
            type='CellDataset',
            data_root='{root}',
            ann_file=f'annotations/{split}.json',
            data_prefix=dict(img=''),
            metainfo=dict(classes=classes),
            pipeline=steps,
            **kwargs,
        ),
    )
annotations = dict(type='LoadCellAnnotations')
meta = dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
train_dataloader = data('train', 2, [load, annotations, augment, pack])
val_dataloader = data('train', 1, [load, meta], test_mode=True)
test_dataloader = data('test', 1, [load, meta], test_mode=True)
val_evaluator = dict(type='CellMetric', ann_file='{root}/annotations/train.json')
test_evaluator = dict(type='CellMetric', ann_file='{root}/annotations/test.json', format_only=True)
anchors = dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[8, 16])
coder = dict(type='DeltaXYWHBBoxCoder')
assigner = dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.3, match_low_quality=True)
sampler = dict(type='RandomSampler', num=16, pos_fraction=0.5)
rpn_sampler = dict(type='RandomSampler', num=16, pos_fraction=0.5, add_gt_as_proposals=False)
roi_layer = dict(type='RoIAlign', output_size=7, sampling_ratio=2)
extractor = dict(type='SingleRoIExtractor', roi_layer=roi_layer, out_channels=8, featmap_strides=[8, 16])
model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[127.0] * 3, std=[60.0] * 3, pad_mask=True, pad_size_divisor=16
    ),
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, stem_channels=8, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1),
        out_indices=(1, 2), norm_cfg=dict(type='BN'), norm_eval=True,
    ),
    neck=dict(type='FPN', in_channels=[16, 32], out_channels=8, num_outs=2),
    rpn_head=dict(type='RPNHead', in_channels=8, feat_channels=8, anchor_generator=anchors, bbox_coder=coder),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=extractor,
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=8, fc_out_channels=16, roi_feat_size=7, num_classes=2
        ),
        mask_roi_extractor=extractor,
        mask_head=dict(type='FCNMaskHead', num_convs=1, in_channels=8, conv_out_channels=8, num_classes=2),
    ),
    train_cfg=dict(
        rpn=dict(assigner=assigner, sampler=rpn_sampler, allowed_border=-1, pos_weight=-1),
        rpn_proposal=dict(nms_pre=40, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(assigner=assigner, sampler=sampler, mask_size=14, pos_weight=-1),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=40, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.01, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10, mask_thr_binary=0.5),
    ),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01, momentum=0.9))
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=3)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    checkpoint=dict(type='AtomicCheckpointHook', interval=1, max_keep_ckpts=2),
    epoch_seed=dict(type='EpochSeedHook'),
    record=dict(type='RecordHook'),
    visualization=dict(type='DetVisualizationHook'),
)
env_cfg = dict(dist_cfg=dict(backend='nccl'))
visualizer = dict(type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
randomness = dict(seed=0)
log_level = 'INFO'
"""


def free_port() -> str:
    """A port of this machine for several processes to meet."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return str(sock.getsockname()[1])


def write_data(root: Path, num_train: int = 4, num_test: int = 3) -> Path:
    """Images of bright discs on noise with their COCO files, and the id file of the test images."""
    rng = np.random.default_rng(0)
    (root / 'annotations').mkdir(parents=True, exist_ok=True)
    for split, count in (('train', num_train), ('test', num_test)):
        cells = []
        for image_id in range(1, count + 1):
            image = rng.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
            for number in range(3):
                disc = np.zeros((SIZE, SIZE), np.uint8)
                radius = int(rng.integers(6, 14))
                x, y = (int(v) for v in rng.integers(14, SIZE - 14, 2))
                cv2.circle(disc, (x, y), radius, 1, -1)
                image[disc > 0] = 120 + 60 * (number % 2)
                cells.append((image_id, 1 + number % 2, disc))
            cv2.imwrite(str(root / f'{split}_{image_id}.png'), image)
        content = annotations(dict.fromkeys(range(1, count + 1), (SIZE, SIZE)), cells)
        for image in content['images']:
            image['file_name'] = f'{split}_{image["id"]}.png'
        if split == 'test':
            content['annotations'] = []
            (root / 'test_image_name_to_ids.json').write_text(json.dumps(content['images']))
        (root / 'annotations' / f'{split}.json').write_text(json.dumps(content))
    return root


def write_config(path: Path, root: Path, extra: str = '') -> Path:
    """Write the tiny config; ``extra`` is Python text at its end."""
    path.write_text(CONFIG.replace('{root}', str(root)) + extra)
    return path


def _child(tool: str, argv: list[str], cwd: str, log: str, env: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.update(env)
    with open(log, 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import torch
    from yapf.yapflib import yapf_api

    torch.set_num_threads(1)
    # Half of a tiny run would be the layout of its config's text, written into every checkpoint, and gc.
    yapf_api.FormatCode = lambda text, **kwargs: (text, False)
    gc.freeze()
    sys.argv = [tool, *argv]
    runpy.run_path(tool, run_name='__main__')


def start_tool(tool: Path, *argv: object, cwd: Path, **env: str) -> multiprocessing.Process:
    """Start a Python tool as a process of its own, its output going to ``cwd/<tool>.log``."""
    log = str(cwd / f'{tool.stem}{env.get("RANK", "")}.log')
    process = _SERVER.Process(target=_child, args=(str(tool), [str(a) for a in argv], str(cwd), log, env))
    process.log = Path(log)
    process.start()
    return process


def run_tool(tool: Path, *argv: object, cwd: Path, code: int = 0, **env: str) -> str:
    """Run a Python tool to its end, check its exit code, and return its output."""
    process = start_tool(tool, *argv, cwd=cwd, **env)
    process.join(120)
    output = process.log.read_text()
    assert process.exitcode == code, output[-4000:]
    return output
