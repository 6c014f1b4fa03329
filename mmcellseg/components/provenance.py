"""Where a run's numbers come from: code, versions, hardware and data files."""

import hashlib
import json
import os
import platform
import resource
import subprocess
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..structures.run_files import RECORD_NAME

PACKAGES = (
    *('mmcellseg', 'onedl-mmdetection', 'onedl-mmengine', 'onedl-mmcv', 'torch', 'numpy', 'tifffile'),
    *('imagecodecs', 'opencv-python-headless', 'pycocotools'),
)
REPOSITORY = Path(__file__).resolve().parents[2]


def _git(folder: str | os.PathLike, *words: str) -> tuple[int | None, str]:
    """Return code and output of git in a folder; None where there is no git."""
    try:
        done = subprocess.run(['git', '-C', str(folder), *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None, ''
    return done.returncode, done.stdout


def changed_files(folder: str | os.PathLike = REPOSITORY) -> list[str] | None:
    """Files that make the code another than its commit's; None where there is no git.

    Those are the tracked files with changes, and new ones among configs, package and tools. What runs write
    (``work_dirs``) does not count.
    """
    code, output = _git(folder, 'status', '--porcelain', '-z', '--untracked-files=all', '--no-renames')
    if code != 0:
        return None
    found = [(entry[:2], entry[3:]) for entry in output.split('\0') if entry]
    ours = ('configs/', 'mmcellseg/', 'tools/')
    return [p for state, p in found if p.startswith(ours) or not (state == '??' or p.startswith('work_dirs/'))]


def git_state(folder: str | os.PathLike = REPOSITORY) -> dict[str, Any]:
    """Commit of the checkout in ``folder`` and whether its files differ from it; None where there is no git."""
    code, head = _git(folder, 'rev-parse', 'HEAD')
    changes = changed_files(folder)
    return {'commit': head.strip() if code == 0 else None, 'dirty': None if changes is None else bool(changes)}


def is_published(folder: str | os.PathLike) -> bool:
    """Whether git would track the record of a run in this folder."""
    folder = Path(folder).resolve()
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    return _git(there, 'check-ignore', '--no-index', '-q', str(folder / RECORD_NAME))[0] == 1


def package_versions() -> dict[str, str]:
    """Versions of Python and of those packages that are installed."""
    versions = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, Any]:
    """Processor, memory and graphics cards of this machine."""
    cpu, info = platform.processor() or platform.machine(), Path('/proc/cpuinfo')
    lines = info.read_text().splitlines() if info.is_file() else []
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    found: dict[str, Any] = {
        'cpu': next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')), cpu),
        'cores': os.cpu_count(),
        'memory_mb': os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 20,
        'gpus': gpus,
    }
    return {**found, 'cuda': torch.version.cuda} if gpus else found


def peak_memory() -> dict[str, int]:
    """Highest memory so far in MB: of this process, of its largest finished child, and allocated on the GPU."""
    kinds = {'process_mb': resource.RUSAGE_SELF, 'worker_mb': resource.RUSAGE_CHILDREN}
    peak = {name: resource.getrusage(who).ru_maxrss >> 10 for name, who in kinds.items()}
    return {**peak, 'gpu_mb': torch.cuda.max_memory_allocated() >> 20} if torch.cuda.is_available() else peak


def sha256(path: str | os.PathLike) -> str:
    """Hex digest of a file."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def median_cell_area(content: dict[str, Any]) -> float | None:
    """Median area in px² of the cells in the content of a COCO json; None if it has none."""
    areas = [annotation['area'] for annotation in content.get('annotations', []) if 'area' in annotation]
    return float(median(areas)) if areas else None


def describe_annotations(path: str | os.PathLike) -> dict[str, Any]:
    """Hash of a COCO json, its number of images, its cells of each class, and their median area in px²."""
    content = json.loads(Path(path).read_text())
    counts = Counter(annotation['category_id'] for annotation in content.get('annotations', []))
    cells = {category['name']: counts[category['id']] for category in content.get('categories', [])}
    images, area = len(content.get('images', [])), median_cell_area(content)
    return {'sha256': sha256(path), 'images': images, 'cells': cells, 'median_area': area}
