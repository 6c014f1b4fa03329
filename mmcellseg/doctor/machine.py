"""Checks of the machine and of the data on it: memory, processes, disk, folders, images."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

from .answer import Answer

GB = 2**30


def check_memory(least: float = 4 * GB) -> Answer:
    import psutil

    memory = psutil.virtual_memory()
    text = f'{memory.available / GB:.1f} of {memory.total / GB:.1f} GB are free'
    if memory.available >= least:
        return Answer('ok', text)
    return Answer('warning', f'{text}; a training takes about 4', 'end other programs, or use fewer workers')


def check_workers(folder: str = '/dev/shm') -> Answer:
    """Whether shared memory has room for what data workers pass."""
    free = shutil.disk_usage(folder).free
    text = f'{free / GB:.2f} GB of shared memory in {folder} are free'
    if free >= GB:
        return Answer('ok', text)
    advice = 'start the container with --shm-size=8g (or --ipc=host), or train with num_workers=0'
    return Answer('warning' if free >= GB / 4 else 'fail', text, advice)


def _meet(rank: int, device: str, world: int, port: int) -> None:
    """One process of :func:`all_reduce`."""
    import torch

    torch.set_num_threads(1)
    where = torch.device(device, rank) if device == 'cuda' else torch.device(device)
    if device == 'cuda':
        torch.cuda.set_device(rank)
    backend, address = 'nccl' if device == 'cuda' else 'gloo', f'tcp://127.0.0.1:{port}'
    torch.distributed.init_process_group(backend, init_method=address, rank=rank, world_size=world)
    value = torch.full((1024,), rank + 1.0, device=where)
    torch.distributed.all_reduce(value)
    if value.unique().tolist() != [world * (world + 1) / 2]:
        raise RuntimeError(f'{backend} sums 1 to {world} to {value.unique().tolist()}')
    torch.distributed.destroy_process_group()


def check_processes() -> Answer:
    """Two processes and gloo. A process that has used CUDA may not be forked."""
    import torch

    return all_reduce('cpu', 2, 'forkserver' if torch.cuda.is_initialized() else 'fork')


def all_reduce(device: str, world: int, start: str, limit: float = 30) -> Answer:
    """Sum a tensor over ``world`` processes: gloo on the CPU, NCCL on one CUDA device each."""
    import torch.multiprocessing

    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        port = sock.getsockname()[1]
    began = time.perf_counter()
    processes = torch.multiprocessing.start_processes(  # type: ignore[attr-defined]
        _meet, (device, world, port), world, join=False, start_method=start
    )
    try:
        while not processes.join(timeout=1):
            if time.perf_counter() - began > limit:
                advice = 'does the host name resolve, and does a firewall close local ports? GLOO_SOCKET_IFNAME=lo'
                return Answer('fail', f'{world} processes on {device} did not meet in {limit:.0f} s', advice)
    finally:
        for process in processes.processes:
            process.kill()
    took = time.perf_counter() - began
    backend = 'NCCL' if device == 'cuda' else 'gloo'
    return Answer('ok', f'{backend} sums over {world} process(es) in {took:.1f} s', figures={'processes': world})


def check_disk(folder: str) -> Answer:
    there = next(path for path in (Path(folder).resolve(), *Path(folder).resolve().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    text = f'{free / GB:.1f} GB are free at {folder}'
    if free >= 5 * GB:
        return Answer('ok', text)
    advice = 'free some, or give another --work-dir'
    return Answer('fail' if free < 2 * GB else 'warning', f'{text}; the checkpoints of a run take about 2', advice)


def check_folders(*folders: str) -> Answer:
    from ..runs.launch import make_folder

    for folder in folders:
        make_folder(folder)
    return Answer('ok', f'{" and ".join(folders)} can be written')


def check_data(config: str | Path) -> Answer:
    """Whether the images that a config's json files name are there, in the sizes that the json files state."""
    from ..components.config_paths import annotation_file, config_datasets
    from ..data.tiff import image_size
    from ..runs.launch import load_config
    from ..structures.coco import read_coco

    datasets = config_datasets(load_config(str(config)), 'train', 'val', 'test')
    root = (datasets[0].get('data_root') or '.') if datasets else '.'
    if not Path(root).is_dir():
        where = 'put the data there, or name their folder: CELLS_ROOT, CONSEP_ROOT'
        return Answer('warning', f'{root} is not there', where)
    named = {path: dataset for dataset in datasets if (path := annotation_file(dataset))}
    missing = [path for path in named if not Path(path).is_file()]
    seen: set[Path] = set()
    again = f'python tools/dataset_converters/cells2coco.py {root} {root} --holdout 0.2'
    for file in sorted({*named} - {*missing}):
        folder = Path(root, (named[file].get('data_prefix') or {}).get('img') or '')
        images = {folder / image['file_name']: image for image in read_coco(file)['images']}
        gone = [path for path in images if not path.is_file()]
        if gone:
            name = images[gone[0]]['file_name']
            return Answer('fail', f'{file}: {len(gone)} of its {len(images)} images are not there, as {name}', again)
        for path, image in images.items():
            height, width = image_size(path)
            if (height, width) != (image['height'], image['width']):
                stated = f'{image["height"]} × {image["width"]}'
                text = f'{file}: of other images: {path} has {height} × {width} px (height, width), not {stated}'
                return Answer('fail', text, again)
        seen |= {*images}
    if missing:
        return Answer('warning', f'{root}: no {", ".join(Path(path).name for path in missing)}', again)
    return Answer('ok', f'{root}: {len(named)} json files match their {len(seen)} images')
