"""What it takes to start the tools that need no model: seconds and memory of --help, beside importing torch."""

import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2]
LIGHT = (
    *('submit.py', 'export.py', 'dataset_converters/cells2coco.py', 'dataset_converters/split_folds.py'),
    *('dataset_converters/make_synthetic.py', 'analysis_tools/eval_results.py', 'analysis_tools/class_balance.py'),
    *('analysis_tools/compare_runs.py', 'analysis_tools/plot_curves.py', 'analysis_tools/report.py'),
    'analysis_tools/contours.py',
)


def _start(*arguments: str) -> tuple[float, float]:
    """Seconds and peak MB of a Python process, measured by a parent of its own: peaks are kept for each parent."""
    code = (
        'import resource, subprocess, sys, time\n'
        'began = time.perf_counter()\n'
        'subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n'
        'print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)'
    )
    done = subprocess.run([sys.executable, '-c', code, sys.executable, *arguments], capture_output=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def run(data: Path | None, quick: bool) -> list[dict]:
    """A row a tool, the best of three starts (of one when quick), and one for torch alone."""
    cases = {'python -c "import torch"': ('-c', 'import torch')}
    cases |= {f'{tool} --help': (str(TOOLS / tool), '--help') for tool in LIGHT}
    rows = []
    for name, arguments in cases.items():
        seconds, megabytes = min(_start(*arguments) for _ in range(1 if quick else 3))
        rows.append({'what': name, 's': seconds, 'MB': megabytes})
    return rows
