"""Where a run's numbers come from: code, versions, hardware and data files."""

import hashlib
import json
import os
import platform
import resource
import subprocess
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    *('mmcellseg', 'onedl-mmdetection', 'onedl-mmengine', 'onedl-mmcv', 'torch', 'numpy', 'tifffile'),
    *('imagecodecs', 'opencv-python-headless', 'pycocotools'),
)
REPOSITORY = Path(__file__).resolve().parents[2]


def git_state(folder: Path = REPOSITORY) -> dict[str, Any]:
    """Commit of the checkout in ``folder`` and whether tracked files differ from it; None where there is no git."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(['git', '-C', str(folder), *words], capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changes = git('status', '--porcelain', '--untracked-files=no')
    return {'commit': git('rev-parse', 'HEAD'), 'dirty': None if changes is None else bool(changes)}


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of those of the packages that are installed."""
    versions = {'python': platform.python_version()}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, Any]:
    """Processor, memory and graphics cards of this machine."""
    cpu = platform.processor() or platform.machine()
    if Path('/proc/cpuinfo').is_file():
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        cpu = next((line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')), cpu)
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 20
    found: dict[str, Any] = {'cpu': cpu, 'cores': os.cpu_count(), 'memory_mb': memory, 'gpus': gpus}
    return {**found, 'cuda': torch.version.cuda} if gpus else found


def peak_memory() -> dict[str, int]:
    """Highest memory so far in MB: of this process, of its largest finished child, and allocated on the GPU."""
    peak = {
        'process_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        'worker_mb': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10,
    }
    return {**peak, 'gpu_mb': torch.cuda.max_memory_allocated() >> 20} if torch.cuda.is_available() else peak


def sha256(path: str | os.PathLike) -> str:
    """Hex digest of a file."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def describe_annotations(path: str | os.PathLike) -> dict[str, Any]:
    """Hash of a COCO json, its number of images and its cells of each class."""
    content = json.loads(Path(path).read_text())
    names = {category['id']: category['name'] for category in content.get('categories', [])}
    counts = Counter(annotation['category_id'] for annotation in content.get('annotations', []))
    cells = {name: counts[category] for category, name in names.items()}
    return {'sha256': sha256(path), 'images': len(content.get('images', [])), 'cells': cells}
