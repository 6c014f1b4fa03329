"""Several processes, on machines with and without a GPU."""

import os
import subprocess

import torch
from mmengine.config import Config
from mmengine.device import is_cuda_available, is_musa_available, is_npu_available

# Where the launchers say a process's number, before there is a process group.
_RANK = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}


def has_accelerator() -> bool:
    """Whether automatic mixed precision can be had here."""
    return is_cuda_available() or is_npu_available() or is_musa_available()


def is_first_process(cfg: Config) -> bool:
    """Whether this is the process that writes."""
    return os.environ.get(_RANK.get(cfg.launcher, ''), '0') == '0'


def start_processes(cfg: Config) -> None:
    """Prepare several processes for a machine without a CUDA device.

    mmengine would select CUDA devices there, so the process group is made before the runner, with gloo, and the
    model's wrapper gets no device.
    """
    if cfg.launcher == 'none' or has_accelerator():
        return
    if cfg.launcher == 'slurm':
        slurm_environment()
    elif cfg.launcher != 'pytorch':
        raise ValueError(f'--launcher {cfg.launcher} needs a GPU; on the CPU pytorch and slurm are possible')
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = {'type': 'MMDistributedDataParallel', 'broadcast_buffers': False}
    wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}


def slurm_environment() -> None:
    """Translate Slurm's variables into torch's."""
    host = subprocess.run(
        ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']],
        capture_output=True,
        text=True,
        check=True,
    )
    os.environ.setdefault('MASTER_ADDR', host.stdout.split()[0])
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ.update(RANK=os.environ['SLURM_PROCID'], WORLD_SIZE=os.environ['SLURM_NTASKS'])
    os.environ['LOCAL_RANK'] = os.environ.get('SLURM_LOCALID', '0')
