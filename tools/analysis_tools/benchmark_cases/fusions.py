"""How much the fusions gain: 17 simulated members with known truth, over 5 seeds."""

import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmcellseg.data.convert import read_dataset, write_conversion
from mmcellseg.ensemble import NMSFusion, SharedMaskFusion, WeightedMaskFusion
from mmcellseg.ensemble.detections import Detections
from mmcellseg.evaluation.evaluate import evaluate_results
from mmcellseg.evaluation.ground_truth import GroundTruth
from mmcellseg.synthetic.data_set import make_synthetic
from mmcellseg.synthetic.members import simulate_image

FUSIONS = {f.__name__: f() for f in (NMSFusion, WeightedMaskFusion, SharedMaskFusion)}
FIGURES = ('segm_AP50', 'segm_AP')


def _one_image(truth: GroundTruth, members: int, seed: int, image_id: int) -> list[list[dict]]:
    """Every member's entries of an image, then every fusion's."""
    masks, labels = truth.masks(image_id), truth.category_ids[truth.rows(image_id)]
    made = [simulate_image(masks, labels, list(truth.categories), image_id, member, seed) for member in range(members)]
    detections = Detections.from_entries(made, masks.height, masks.width)
    return made + [list(fusion(detections, weights=[1] * members).to_entries(image_id)) for fusion in FUSIONS.values()]


def _score(truth: GroundTruth, entries: list[dict]) -> list[float]:
    figures = evaluate_results(entries, truth, metrics=('segm',))
    return [figures[name] for name in FIGURES]


def compare_fusions(ann_file: Path, members: int, seeds: int) -> np.ndarray:
    """(seeds, members + fusions, figures)."""
    truth = GroundTruth(ann_file)
    table = []
    with ProcessPoolExecutor(mp_context=get_context('fork')) as pool:
        for seed in tqdm(range(seeds), 'seeds'):
            per_image = pool.map(partial(_one_image, truth, members, seed), sorted(truth.images))
            joined = [[entry for part in parts for entry in part] for parts in zip(*per_image)]
            table.append(list(pool.map(partial(_score, truth), joined)))
    return np.array(table)


def run(data: Path | None, quick: bool) -> list[dict]:
    """A line for the members, the best of them (chosen per seed by AP50) and each fusion: mean ± spread."""
    members, seeds = (5, 2) if quick else (17, 5)
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            data = Path(folder)
            make_synthetic(data, num_train=4 if quick else 30, num_test=1, dense=not quick)
        if not (data / 'annotations' / 'train.json').is_file():
            write_conversion(read_dataset(data), Path(folder))
            data = Path(folder)
        table = compare_fusions(data / 'annotations' / 'train.json', members, seeds)
        cells = len(json.loads((data / 'annotations' / 'train.json').read_text())['annotations'])
    best = table[:, :members][np.arange(seeds), table[:, :members, 0].argmax(axis=1)]
    lines = {f'{members} members': table[:, :members].mean(axis=1), 'best member': best}
    lines |= {name: table[:, members + k] for k, name in enumerate(FUSIONS)}
    rows = []
    for name, values in lines.items():
        row = {'cells': cells, 'seeds': seeds, 'what': name}
        for k, figure in enumerate(FIGURES):
            row[figure] = f'{values[:, k].mean():.4f} ± {values[:, k].std(ddof=1):.4f}'
            row[f'least gain {figure}'] = float((values[:, k] - best[:, k]).min())
        rows.append(row)
    return rows
