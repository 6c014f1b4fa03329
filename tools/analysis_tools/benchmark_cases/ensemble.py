"""Merging 17 members × 101 images × 300 masks with tools/ensemble.py, and ours against full-size masks."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from pycocotools import mask as coco_mask
from tqdm import tqdm

from mmcellseg.ensemble import WeightedMaskFusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.structures.results import write_results

from .cells import coco_columns, discs
from .measure import measure, row

TOOL = Path(__file__).resolve().parents[2] / 'ensemble.py'
FUSIONS = ('NMSFusion', 'WeightedMaskFusion')
CLASSES = (1, 2, 3, 4)
DISTINCT = 12  # images that differ; the others repeat them under other ids, which merging cannot tell


def cells_of_members(members: int, cells: int, side: int, seed: int) -> list[list[dict]]:
    """Entries of each member for one image of ``side``² px: discs of 7 to 16 px radius, each seen a bit differently."""
    rng = np.random.default_rng(seed)
    centre, radius = rng.uniform(10, side - 10, (cells, 2)), rng.uniform(7, 16, cells)
    out = []
    for _ in range(members):
        middle, size = centre + rng.normal(0, 1, (cells, 2)), radius * rng.uniform(0.85, 1.15, cells)
        boxes = np.clip(np.stack([middle - size[:, None], middle + size[:, None] + 2], 1), 0, side).astype(int)
        found, rles = coco_columns(discs(boxes.reshape(-1, 4), middle, size, side))
        columns = zip(found, rng.random(cells).tolist(), rng.choice(CLASSES, cells).tolist(), rles)
        out.append([{'bbox': b, 'score': s, 'category_id': c, 'segmentation': m} for b, s, c, m in columns])
    return out


def write_members(folder: Path, members: int, images: int, cells: int, side: int) -> None:
    """Predictions files m0.json … and ann.json."""
    made = [cells_of_members(members, cells, side, seed) for seed in tqdm(range(min(images, DISTINCT)), 'make cells')]
    for m in tqdm(range(members), 'write members'):
        of_image = ((i, made[i % len(made)][m]) for i in range(images))
        write_results(folder / f'm{m}.json', ({'image_id': i, **entry} for i, found in of_image for entry in found))
    listed = [{'id': i, 'file_name': f'{i}.tif', 'height': side, 'width': side} for i in range(images)]
    categories = [{'id': c, 'name': f'class{c}'} for c in CLASSES]
    (folder / 'ann.json').write_text(json.dumps({'images': listed, 'categories': categories}))


def run_tool(folder: Path, members: int, fusion: str) -> dict[str, float]:
    """Wall and CPU time in s of the whole command with 2 processes, and the highest memory of them all in MB.

    Memory is the proportional set size: pages that processes share count once.
    """
    config = folder / f'{fusion}.py'
    rows = [{'name': f'm{m}', 'results': str(folder / f'm{m}.json')} for m in range(members)]
    config.write_text(
        f"ann_file = '{folder}/ann.json'\nout_dir = '{folder}/{fusion}'\nmembers = {rows!r}\n"
        f"fusion = dict(type='{fusion}')\ncustom_imports = dict(imports=['mmcellseg.components'])\n"
    )
    start, before, peak = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN), 0
    process = psutil.Popen([sys.executable, str(TOOL), str(config), '--workers', '2'], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        total = 0
        for part in [process, *process.children(recursive=True)]:
            try:
                total += part.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        peak = max(peak, total)
        time.sleep(0.1)
    if process.returncode:
        raise RuntimeError(f'tools/ensemble.py failed with exit code {process.returncode}')
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {'ours s': time.perf_counter() - start, 'CPU s': cpu, 'ours MB': peak / 2**20}


def merge_dense(entries: list[list[dict]]) -> list[tuple[float, int, bytes]]:
    """The same fusion on full-size bitmaps: (score, class, RLE counts) of each cell, best first."""
    rows = [(e['score'], m, k, e) for m, found in enumerate(entries) for k, e in enumerate(found)]
    rows.sort(key=lambda row: (-row[0], row[1], row[2]))
    bitmaps = coco_mask.decode([row[3]['segmentation'] for row in rows]).astype(bool).transpose(2, 0, 1)
    bitmaps = np.ascontiguousarray(bitmaps)
    areas = bitmaps.sum(axis=(1, 2))
    seeds: list[int] = []
    nearest: list[int] = []
    for k, bitmap in enumerate(bitmaps):
        common = (bitmaps[seeds] & bitmap).sum(axis=(1, 2))
        iou = common / (areas[seeds] + areas[k] - common)
        if (iou > 0.5).any():
            nearest.append(seeds[int(np.argmax(iou))])
        else:
            nearest.append(k)
            seeds.append(k)
    # A later seed may overlap an earlier detection more than the seed that it was compared with.
    for k, bitmap in enumerate(bitmaps):
        if k not in seeds:
            better = [s for s in seeds if s < k]
            common = (bitmaps[better] & bitmap).sum(axis=(1, 2))
            nearest[k] = better[int(np.argmax(common / (areas[better] + areas[k] - common)))]
    out = []
    for seed in seeds:
        group, seen = [], set()
        for k in range(len(rows)):
            if nearest[k] == seed and rows[k][1] not in seen:
                group.append(k)
                seen.add(rows[k][1])
        votes = np.array([rows[k][0] for k in group])
        won = np.tensordot(votes, bitmaps[group], 1) > 0.5 * votes.sum()
        by_class = [sum(v for v, k in zip(votes, group) if rows[k][3]['category_id'] == c) for c in CLASSES]
        counts = coco_mask.encode(np.asfortranarray(won, np.uint8))['counts']
        out.append((votes.sum() / len(entries), CLASSES[int(np.argmax(by_class))], counts))
    return sorted(out, key=lambda row: -row[0])


def merge_ours(entries: list[list[dict]], side: int) -> list[tuple[float, int, bytes]]:
    merged = WeightedMaskFusion()(Detections.from_entries(entries, side, side), weights=[1] * len(entries))
    return [(e['score'], e['category_id'], e['segmentation']['counts']) for e in merged.to_entries(0)]


def run(data: Path | None, quick: bool) -> list[dict]:
    """Both fusions at full size, then ours against full-size masks on one small image."""
    members, images, cells = (5, 4, 50) if quick else (17, 101, 300)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_members(Path(folder), members, images, cells, 700)
        for fusion in FUSIONS:
            name = f'{fusion}, {members} × {images} × {cells}, 2 processes'
            rows.append({'what': name, **run_tool(Path(folder), members, fusion)})
    subset = cells_of_members(members, 20 if quick else 40, 500, seed=99)
    ours, dense = merge_ours(subset, 500), merge_dense(subset)
    if [row[1:] for row in ours] != [row[1:] for row in dense]:
        raise AssertionError('the fusion and its dense reference differ')
    costs = [measure(lambda: subset, lambda s: merge_ours(s, 500)), measure(lambda: subset, merge_dense, repeats=1)]
    rows.append(row(f'WeightedMaskFusion, {members} × 1 × {len(subset[0])} on 500 × 500 px, stock dense', *costs))
    return rows
