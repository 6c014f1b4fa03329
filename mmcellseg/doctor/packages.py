"""Checks of Python and of the packages: what is installed, whether it fits the machine, whether it works."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from .answer import PROJECT, SETUP, Answer

PYTHONS = ((3, 11), (3, 12))
# Every compression that TIFFs of cells are seen with; those that lose nothing come back to the last bit.
LOSSLESS = (None, 'lzw', 'deflate', 'packbits', 'zstd', 'lzma')
LOSSY = ('jpeg', 'jpeg2000', 'webp')


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Answer:
    text = f'{".".join(map(str, version))} in {sys.prefix}'
    if version[:2] in PYTHONS:
        return Answer('ok', text)
    return Answer('fail', f'{text}, but 3.11 or 3.12 is needed', f'PYTHON=python3.12 {SETUP}')


def version_of(package: str) -> str:
    """The version that is installed, '' if none is."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ''


def as_pinned(package: str, answer: Answer) -> Answer:
    """The answer of a package's check, or a warning where an ok comes from another version than the pinned one."""
    pins = dict(re.findall(r'^([\w-]+)==(.+)$', (PROJECT / 'requirements.txt').read_text(), re.MULTILINE))
    found = version_of(package)
    if answer.status != 'ok' or found.split('+')[0] == pins[package]:
        return answer
    said = f'{package} is {found or "not installed"}, and {pins[package]} is pinned ({answer.text})'
    return Answer('warning', said, SETUP)


class Driver(NamedTuple):
    """What nvidia-smi says: names of the GPUs, the driver, and the newest CUDA that it runs."""

    gpus: list[str] = []
    version: str = ''
    cuda: tuple[int, ...] = ()


def read_driver() -> Driver:
    if shutil.which('nvidia-smi') is None:
        return Driver()
    said = []
    for query in (['--query-gpu=name,driver_version', '--format=csv,noheader'], []):
        done = subprocess.run(['nvidia-smi', *query], capture_output=True, text=True, timeout=20)
        if done.returncode:
            raise RuntimeError(f'nvidia-smi fails: {" ".join((done.stdout + done.stderr).split())}')
        said.append(done.stdout)
    rows = [line.split(', ') for line in said[0].splitlines() if ', ' in line]
    found = re.search(r'CUDA (?:UMD )?Version: *(\d+)\.(\d+)', said[1])
    version = rows[0][1] if rows else ''
    return Driver([row[0] for row in rows], version, tuple(map(int, found.groups() if found else ())))


def check_torch() -> Answer:
    import torch

    driver, built = read_driver(), torch.version.cuda
    text = f'{torch.__version__}, ' + (f'built for CUDA {built}' if built else 'a CPU build')
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        for index in range(len(names)):
            torch.ones(8, device=f'cuda:{index}').sum().item()  # raises where torch was not built for this GPU
        return Answer('ok', f'{text}, driver {driver.version}, {len(names)} GPU: {", ".join(names)}')
    if not driver.gpus:
        return Answer('ok', f'{text}; no GPU, so trainings run on the CPU')
    text = f'{text}, but this machine has {len(driver.gpus)} GPU ({driver.gpus[0]})'
    if not built:
        return Answer('fail', text, f'install a CUDA build of torch, then {SETUP}, which builds mmcv for it')
    if driver.cuda and driver.cuda < tuple(map(int, built.split('.'))):
        newest = '.'.join(map(str, driver.cuda))
        advice = f'update the driver, or install a torch built for CUDA {newest} or older and then run {SETUP}'
        return Answer('fail', f'{text} whose driver {driver.version} runs CUDA {newest} at most', advice)
    advice = 'unset CUDA_VISIBLE_DEVICES, or restart the machine or the container with its GPU passed on'
    return Answer('fail', f'{text} that torch cannot use', advice)


def check_mmcv() -> Answer:
    import torch
    from mmcv.ops import get_compiling_cuda_version, nms, roi_align

    cuda = get_compiling_cuda_version()
    devices = ['cpu', 'cuda'] if torch.cuda.is_available() else ['cpu']
    if 'cuda' in devices and cuda == 'not available':
        return Answer('fail', 'its operators were built without CUDA, and there is a GPU', SETUP)
    for device in devices:
        boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], dtype=torch.float32, device=device)
        kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), 0.5)[1].tolist()
        rois = torch.tensor([[0, 2, 2, 6, 6]], dtype=torch.float32, device=device)
        pooled = roi_align(torch.full((1, 1, 8, 8), 3.0, device=device), rois, 2, 1.0, 2).flatten().tolist()
        if kept != [0, 2] or pooled != [3.0] * 4:
            return Answer('fail', f'NMS on {device} keeps {kept} for [0, 2], RoIAlign gives {pooled} for 3', SETUP)
    return Answer('ok', f'NMS and RoIAlign run on {" and ".join(devices)} (CUDA ops: {cuda})')


def check_mmdet() -> Answer:
    import mmdet
    import mmengine

    from .. import components  # noqa: F401

    return Answer('ok', f'{mmdet.__version__}, mmengine {mmengine.__version__}, and the components are registered')


def check_opencv() -> Answer:
    import cv2

    for package in ('opencv-python', 'opencv-contrib-python'):
        if version_of(package):
            advice = f'pip uninstall {package}, then pip install --no-deps --force-reinstall opencv-python-headless'
            return Answer('warning', f'{package} is installed beside the headless build; it needs libGL', advice)
    return as_pinned('opencv-python-headless', Answer('ok', f'{cv2.__version__}, headless'))


def check_codecs() -> Answer:
    """Write and decode an image in each compression, with the project's own reader."""
    import numpy as np
    import tifffile

    from ..data.tiff import read_image

    ramp = np.add.outer(np.arange(32), 4 * np.arange(32)).astype(np.uint8)
    image, bad = np.stack([ramp, ramp // 2, 255 - ramp], axis=-1), []
    with tempfile.TemporaryDirectory() as folder:
        for name in (*LOSSLESS, *LOSSY):
            path = Path(folder) / 'image.tif'
            try:
                tifffile.imwrite(path, image, photometric='rgb', compression=name, predictor=name == 'lzw')
                apart = np.abs(read_image(path).astype(int) - image)
            except Exception:
                bad.append(str(name))
                continue
            if apart.max() > 0 if name in LOSSLESS else apart.mean() > 20:
                bad.append(f'{name} (other pixels)')
    every = ', '.join(name or 'uncompressed' for name in (*LOSSLESS, *LOSSY))
    if bad:
        return Answer('fail', f'cannot decode {", ".join(bad)}', f'pip install imagecodecs, or {SETUP}')
    return Answer('ok', f'{every} decoded')
