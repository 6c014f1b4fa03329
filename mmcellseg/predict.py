"""A trained model on any image, from Python: ``predict.load(config, checkpoint)(image_or_path)``."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.config import Config
from mmengine.logging import print_log

from .components.config_paths import annotation_file, config_datasets
from .components.provenance import median_cell_area, sha256
from .ensemble import build_fusion
from .ensemble.members import Member
from .reporting.records import RecordError, read_record
from .runs.detector import Detector, FusedDetector, scale_caps
from .runs.ensembles import find_checkpoint, is_ensemble
from .runs.launch import load_config
from .runs.predictor import Mpp, Predictor

DEFAULT_THRESHOLD = 0.5


def _record(folder: Path) -> dict[str, Any]:
    """The record of a run, {} without one."""
    try:
        return read_record(folder)
    except RecordError:
        return {}


def fitted_threshold(config: str | os.PathLike, folder: Path) -> tuple[float, Path] | None:
    """The score threshold that a record has fitted for label maps, and the record's folder.

    That of the config's own step comes first, also where it takes another's weights: its folder has the config's name,
    and lies beside the folder of the checkpoint, which comes second.
    """
    for place in (folder.parent / Path(config).stem, folder):
        record = _record(place)
        found = (record.get('validation') or record).get('label_map_score_threshold')
        if found is not None:
            return float(found), place
    return None


def training_cell_area(cfg: Config, folder: Path) -> float | None:
    """Median area in px² of the cells that a model was trained on: from its record, else from its annotations."""
    data = _record(folder).get('data', {})
    for path in filter(None, map(annotation_file, config_datasets(cfg, 'train'))):
        described = [value.get('median_area') for key, value in data.items() if key and path.endswith(key)]
        area = next(iter(described), None)
        if not area and Path(path).is_file():
            area = median_cell_area(json.loads(Path(path).read_text()))
        if area:
            return float(area)
    return None


def load(
    config: str | os.PathLike,
    checkpoint: str | os.PathLike | None = None,
    *,
    score_thr: float | Literal['auto'] = 'auto',
    tta: bool = False,
    device: str = 'auto',
    mpp: Mpp = None,
    **options: Any,
) -> Predictor:
    """Load a trained model, or an ensemble.

    Args:
        config: The model's config file, or an ensemble's, whose members name their configs.
        checkpoint: The model's weights; None for an ensemble, whose members name theirs.
        score_thr: Least score of a cell; 'auto': what the run's record fitted, else 0.5.
        tta: Test-time augmentation. A config with ``tta = True`` has it anyway.
        device: As torch names it; 'auto': the GPU of this process (LOCAL_RANK), else the CPU.
        mpp: µm/px that the network shall see; 'native': images stay as they are. Default: the config's ``pixel_size``.
        options: Of ``Predictor``.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        CheckpointError: The weights are not those of the config.
        ValueError: The config or an option cannot be used.
    """
    if device == 'auto':
        device = f'cuda:{os.environ.get("LOCAL_RANK", 0)}' if torch.cuda.is_available() else 'cpu'
    elif device.startswith('cuda') and not torch.cuda.is_available():
        raise ValueError(f'device {device}: torch finds no GPU here; tools/doctor.py says why')
    if score_thr != 'auto' and not 0 <= score_thr <= 1:
        raise ValueError(f'score_thr {score_thr}: expected a score from 0 to 1')
    cfg = load_config(str(config))
    if is_ensemble(cfg):
        if checkpoint is not None:
            raise ValueError(f'{config} is an ensemble, whose members name their checkpoints: give none of its own')
        members, folder = [Member(**member) for member in cfg.members], Path(cfg.out_dir)
    elif checkpoint is None:
        raise ValueError(f'{config} is the config of one model: give its checkpoint')
    else:
        members, folder = [Member('model', '', config=str(config), checkpoint=str(checkpoint))], Path(checkpoint).parent
    configs, detectors, weights = [], [], []
    for member in members:
        if member.config is None:
            raise ValueError(f'{config}: member {member.name!r} names no config, so it cannot predict new images')
        own, path = load_config(member.config), find_checkpoint(member) if checkpoint is None else Path(checkpoint)
        scale_caps(own, (options.get('tile', Predictor.tile) / Predictor.tile) ** 2)
        configs.append(own)
        detectors.append(Detector(own, str(path), device, tta or bool(own.get('tta'))))
        weights.append(sha256(path))
    sizes = {own.get('pixel_size') for own in configs}
    if len(sizes) > 1 and mpp is None:
        raise ValueError(f'{config}: the members were trained at different pixel_size ({sizes}): give --mpp native')
    trained_mpp = sizes.pop() if len(sizes) == 1 else None
    if score_thr == 'auto':
        fitted = fitted_threshold(config, folder)
        score_thr, place = fitted or (DEFAULT_THRESHOLD, None)
        why = f'fitted in {place}' if place else 'none was fitted in a record beside the checkpoint'
        print_log(f'score threshold {score_thr:g}: {why}', 'current')
    detector: Detector | FusedDetector = detectors[0]
    if is_ensemble(cfg):
        detector = FusedDetector(
            detectors, build_fusion(cfg.fusion), [m.name for m in members], [m.weight for m in members]
        )
    detector.score_thr = score_thr
    area = training_cell_area(configs[0], folder)
    wanted = trained_mpp if mpp is None else mpp
    identity = {'config': str(config), 'weights': weights, 'score_thr': score_thr, 'tta': tta}
    return Predictor(detector, mpp=wanted, trained_mpp=trained_mpp, cell_area=area, identity=identity, **options)
