"""Processes: fresh ones for tools, several of one training, and what ended one."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO

import torch
from mmengine.config import Config
from mmengine.dist import get_dist_info

from ..components.hooks.data_fault_hook import explain_worker_death
from ..reporting.records import mark_failed
from .config_options import PROJECT

# Where the launchers say a process's number, before there is a process group.
_RANK = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID'}


def run_tool(
    tool: str, *arguments: object, seconds: float | None = None, output: IO | None = None, **variables: str
) -> None:
    """Run one of the project's tools (a file of tools/) in a fresh process, whose memory is clean and ends with it.

    After ``seconds`` it is killed with all that it started (``TimeoutExpired``). What it says goes to ``output``, or
    with the command to the terminal. ``variables`` are its environment's. ``RuntimeError``: it ended with an error.
    """
    command = [sys.executable, str(PROJECT / 'tools' / tool), *map(str, arguments)]
    if output is None:
        print(' '.join(command), flush=True)
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        env={**os.environ, **variables},
        start_new_session=seconds is not None,  # else the keyboard interrupts it, too
    )
    try:
        code = process.wait(seconds)
    finally:
        if process.returncode is None and seconds is not None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        raise RuntimeError(f'{tool} ended with exit code {code}; run the same command again to resume')


def is_first_process(cfg: Config) -> bool:
    """Whether this is the process that writes."""
    return os.environ.get(_RANK.get(cfg.launcher, ''), '0') == '0'


def start_processes(cfg: Config) -> None:
    """Prepare several processes for a machine without a CUDA device.

    mmengine would select CUDA devices there, so the process group is made before the runner, with gloo, and the
    model's wrapper gets no device.
    """
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    if cfg.launcher == 'slurm':
        slurm_environment()
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = {'type': 'MMDistributedDataParallel', 'broadcast_buffers': False}
    wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}


def slurm_environment() -> None:
    """Translate Slurm's variables into torch's."""
    command = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
    hosts = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    os.environ.setdefault('MASTER_ADDR', hosts.split()[0])
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ.update(RANK=os.environ['SLURM_PROCID'], WORLD_SIZE=os.environ['SLURM_NTASKS'])
    os.environ['LOCAL_RANK'] = os.environ.get('SLURM_LOCALID', '0')


class TerminatedError(BaseException):
    """SIGTERM, from a scheduler, or from the launcher after another process of the training has ended."""


@contextmanager
def noted_end(work_dir: str | os.PathLike, first: bool = True) -> Iterator[None]:
    """Note an error, SIGTERM or an interruption from the keyboard in the unfinished record of a folder, and pass it on.

    Any process of a training notes it, and the first note stays: the main process may be the one that was killed, and
    the others lose their connection then. Those that are not ``first`` note nothing before they are connected: the
    record may be that of another training, which keeps the first one out. A data worker's death gets its likely cause.
    """
    process = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != process:  # forked from the training
            os.kill(os.getpid(), signal.SIGTERM)
        raise TerminatedError('ended by SIGTERM: it was stopped, or another process of the training has ended')

    handles = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, terminate) if handles else None
    try:
        yield
    except BaseException as error:
        text = f'{type(error).__name__}: {error}'.removesuffix(': ').removeprefix('TerminatedError: ')
        cause = explain_worker_death(error)
        if cause:
            error.add_note(cause)
        rank, size = get_dist_info()
        if size > 1 and re.search('connection|broken pipe|peer|remote|gloo|nccl', text, re.IGNORECASE):
            cause = 'another process of the training has ended, as when killed'
        where = f'rank {rank} of {size}: ' if size > 1 else ''
        if first or size > 1:
            mark_failed(work_dir, f'{where}{text} {cause}'.rstrip())
        if isinstance(error, TerminatedError):
            os.kill(process, signal.SIGTERM)  # ends as it would have without the note
        raise
    finally:
        if handles:
            signal.signal(signal.SIGTERM, before)
