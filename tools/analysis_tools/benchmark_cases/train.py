"""Training Mask R-CNN with the box-local parts, and with MMDetection's own on the same crops.

Both read images with LoadTiffImage and have the same layers, anchors, RoIs, batch, precision and workers. Stock
has LoadAnnotations, MaxIoUAssigner and FCNMaskHead where ours has LoadCellAnnotations, ChunkedMaxIoUAssigner and
RLEMaskHead. With CUDA it is ResNet-50 with mixed precision and batch 8, else a narrow ResNet-18 and batch 2.
"""

import contextlib
import json
import logging
import multiprocessing
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from tqdm import tqdm

from mmcellseg.components.hooks.bfloat16_hook import use_bfloat16
from mmcellseg.data.convert import read_dataset, write_conversion
from mmcellseg.synthetic.data_set import make_synthetic

from .measure import watch

MODEL_CONFIGS = Path(__file__).resolve().parents[3] / 'configs' / '_base_' / 'models'


class Job(NamedTuple):
    """What one process trains."""

    root: str
    ann_file: str
    stock: bool
    cuda: bool
    size: int
    batch: int
    workers: int
    steps: int
    bfloat16: bool = False


class Outcome(NamedTuple):
    """What it took, warm-up left out: images a second, part of the time spent waiting for data, peak MB."""

    images_per_second: float
    waiting: float
    megabytes: float


def _config(job: Job) -> Config:
    name = 'mask-rcnn_r50_fpn.py' if job.cuda else 'mask-rcnn_r18_fpn-64.py'
    config = Config.fromfile(MODEL_CONFIGS / name)
    config.model.backbone.init_cfg = None
    loading = {'type': 'LoadCellAnnotations', 'with_mask': True}
    if job.stock:
        loading = {'type': 'LoadAnnotations', 'with_bbox': True, 'with_mask': True}
        config.model.roi_head.mask_head.type = 'FCNMaskHead'
        for part in (config.model.train_cfg.rpn, config.model.train_cfg.rcnn):
            part.assigner.type = 'MaxIoUAssigner'
    crop = {'type': 'RandomCrop', 'crop_size': (job.size, job.size), 'recompute_bbox': True}
    config.loader = {
        'batch_size': job.batch,
        'num_workers': job.workers,
        'persistent_workers': job.workers > 0,
        'pin_memory': job.cuda,
        'sampler': {'type': 'InfiniteSampler'},
        'dataset': {
            'type': 'CellDataset',
            'data_root': job.root,
            'ann_file': job.ann_file,
            'data_prefix': {'img': ''},
            'pipeline': [
                {'type': 'LoadTiffImage'},
                loading,
                dict(crop, allow_negative_crop=True),
                {'type': 'RandomFlip', 'prob': 0.5},
                {'type': 'PackDetInputs', 'meta_keys': ('img_shape', 'ori_shape', 'scale_factor')},
            ],
        },
    }
    kind = 'AmpOptimWrapper' if job.cuda else 'OptimWrapper'
    config.optim_wrapper = {'type': kind, 'optimizer': {'type': 'AdamW', 'lr': 1e-4}}
    return config


def _family_memory() -> float:
    """Resident memory of this process and its workers, in MB."""
    process = psutil.Process()
    total = 0
    for part in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += part.memory_info().rss
    return total / 2**20


def train(job: Job) -> Outcome:
    """Train for some steps after two to warm up; to be called in a fresh process."""
    logging.disable(logging.INFO)
    register_all_modules()
    torch.manual_seed(0)
    np.random.seed(0)  # MMDetection's transforms draw by it
    config = _config(job)
    device = 'cuda' if job.cuda else 'cpu'
    model = MODELS.build(config.model)
    model.init_weights()
    model.to(device).train()
    if job.bfloat16:
        use_bfloat16(model)
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    batches = iter(Runner.build_dataloader(config.loader, seed=0))
    peak, waited = [0.0], 0.0
    end = watch(_family_memory, peak, 0.05)
    for step in tqdm(range(job.steps + 2), desc='stock' if job.stock else 'ours', leave=False):
        if step == 2:
            start, waited = time.perf_counter(), 0.0
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        model.train_step(batch, optimizer)
        if job.cuda:
            torch.cuda.synchronize()  # else the model's time would count as waiting for data
    took = time.perf_counter() - start
    end()
    megabytes = torch.cuda.max_memory_allocated() / 2**20 if job.cuda else peak[0]
    return Outcome(job.steps * job.batch / took, waited / took, megabytes)


def _quickest(jobs: list[Job], rounds: int) -> list[Outcome]:
    """The quickest of some rounds for each job, one process at a time, in turns so that noise meets all."""
    found: list[list[Outcome]] = [[] for _ in jobs]
    for _ in range(rounds):
        for job, outcomes in zip(jobs, found):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:
                outcomes.append(pool.submit(train, job).result())
    return [max(outcomes, key=lambda o: o.images_per_second) for outcomes in found]


def _row(what: str, ours: Outcome, other: Outcome | None = None, kind: str = 'stock') -> dict[str, Any]:
    """A row of the table, with the kind of training that ours is compared with."""
    row = {'what': what, 'ours images/s': ours.images_per_second}
    if other:
        row[f'{kind} images/s'] = other.images_per_second
        row['times faster'] = ours.images_per_second / other.images_per_second
    row |= {'ours waits': ours.waiting, 'ours MB': ours.megabytes}
    if other and kind == 'stock':
        row |= {'stock waits': other.waiting, 'stock MB': other.megabytes}
        row['times less memory'] = other.megabytes / ours.megabytes
    return row


def _images_by_cells(content: dict, number: int) -> dict[str, dict]:
    """The json's densest images, and its sparsest with a cell, as COCO jsons of ``number`` images each."""
    cells = Counter(a['image_id'] for a in content['annotations'])
    ordered = [image_id for image_id, _ in cells.most_common()]
    parts = {}
    for name, chosen in (('densest', ordered[:number]), ('sparsest', ordered[-number:])):
        parts[name] = {
            'categories': content['categories'],
            'images': [i for i in content['images'] if i['id'] in chosen],
            'annotations': [a for a in content['annotations'] if a['image_id'] in chosen],
        }
    return parts


def run(data: Path | None, quick: bool) -> list[dict]:
    """A row for the densest images, one for the sparsest, and one for the densest image as a whole.

    That one is without stock, whose matrix of anchors would take 20 GB. On a CPU there is a row in bfloat16 for each of
    the first two, where MMEngine's mixed precision does not go.
    """
    cuda = torch.cuda.is_available()
    # On the CPU: the batch and workers of a run that is to fit in 4 GB.
    size, batch, workers, steps = (512, 8, 8, 20) if cuda else (512, 2, 2, 4)
    rounds, machine = 2, 'CUDA with AMP' if cuda else 'CPU'
    if quick:
        size, workers, steps, rounds = 96, 0, 1, 1
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = data
        if root is None:
            root = Path(folder) / 'synthetic'
            make_synthetic(root, num_train=8, num_test=1, dense=not quick)
        write_conversion(read_dataset(root), Path(folder))
        content = json.loads((Path(folder) / 'annotations' / 'train.json').read_text())

        def job(part: dict, **options: Any) -> Job:
            ann_file = Path(folder) / f'{len(part["images"])}-{part["images"][0]["id"]}.json'
            ann_file.write_text(json.dumps(part))
            return Job(str(root), str(ann_file), **{'stock': False, 'cuda': cuda, 'batch': batch} | options)

        sizes = {'size': size, 'workers': workers, 'steps': steps}
        for name, part in _images_by_cells(content, 1 if data is None else 4).items():
            jobs = [job(part, stock=stock, **sizes) for stock in (False, True)]
            ours, stock = _quickest(jobs, rounds)
            mean = len(part['annotations']) / len(part['images'])
            what = f'{name} images ({mean:.0f} cells), {size} px crops, batch {batch}, {machine}'
            rows.append(_row(what, ours, stock))
            if not cuda:
                narrow = _quickest([job(part, bfloat16=True, **sizes)], rounds)[0]
                rows.append(_row('the same with BFloat16Hook, against ours in float32', narrow, ours, 'float32'))
        if not quick:
            part = _images_by_cells(content, 1)['densest']
            side = max(part['images'][0]['height'], part['images'][0]['width'])
            ours = _quickest([job(part, size=side, batch=2, workers=2, steps=2)], 1)[0]
            cells = len(part['annotations'])
            rows.append(_row(f'densest image uncropped ({cells} cells, {side} px), batch 2', ours))
    return rows
