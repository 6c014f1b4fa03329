#!/usr/bin/env bash
# Sets up .venv with the exact versions of requirements.txt and mmcv compiled for this machine.
#
#   bash tools/setup_env.sh
#
# Run it again at any time: finished steps are skipped, an interrupted one resumes.
#   PYTHON=python3.12     the interpreter to use (default: python3)
#   VENV=/path            where the environment goes (default: .venv in the repository)
#   CPU_ONLY=1            build mmcv without CUDA ops although a GPU is present
#   MAX_JOBS=4            compilers at a time (default: one a core, at most one for each 2 GB of memory)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-$PWD/.venv}
LOG=$VENV/setup.log
say() { printf '[set-up] %s\n' "$*"; }
fail() { printf '[set-up] ERROR: %s\n' "$*" >&2; exit 1; }

check_system() {
  local missing=() version
  command -v "$PYTHON" >/dev/null || fail "no '$PYTHON' found. Run: sudo apt-get install -y python3 python3-venv python3-dev g++"
  version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || version=none
  [[ $version == 3.1[12] ]] || fail "Python $version found, 3.11 or 3.12 needed. Run: sudo apt-get install -y python3.12 python3.12-venv python3.12-dev g++ (python3.11 on Debian 12), then name it: PYTHON=python3.12 bash tools/setup_env.sh"
  "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || missing+=("python$version-venv")
  "$PYTHON" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
    || missing+=("python$version-dev")
  command -v "${CXX:-g++}" >/dev/null || missing+=(g++)
  [ ${#missing[@]} = 0 ] || fail "missing on this machine. Run: sudo apt-get update && sudo apt-get install -y ${missing[*]}"
  say "Python $version, $("${CXX:-g++}" --version | head -n 1)"
}

make_venv() {
  "$VENV/bin/python" -m pip --version >/dev/null 2>&1 && return
  say "creating $VENV"
  "$PYTHON" -m venv "$VENV"
}

installed() { "$VENV/bin/python" -c "import importlib.metadata as m, sys; sys.exit(m.version('$1').split('+')[0] != '$2')" 2>/dev/null; }
pin() { sed -n "s/^$1==//p" requirements.txt; }
pip_install() { "$VENV/bin/python" -m pip install --disable-pip-version-check "$@"; }

install_torch() {
  installed torch "$(pin torch)" && return
  say "torch $(pin torch)"
  pip_install --progress-bar on "torch==$(pin torch)"
}

# Not grep -q: it leaves at the first GPU, and with pipefail an nvidia-smi that writes on would count as a failure.
has_gpu() { [ "${CPU_ONLY:-0}" != 1 ] && command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep GPU >/dev/null; }

# The compiler of torch's own CUDA version, or a message that says what to install.
cuda_settings() {
  local wanted home
  wanted=$("$VENV/bin/python" -c 'import torch; print(torch.version.cuda or "")')
  [ -n "$wanted" ] || fail "a GPU is present, but the installed torch is a CPU build. Install a CUDA build of torch $(pin torch) in $VENV, or set CPU_ONLY=1."
  for home in "${CUDA_HOME:-}" "/usr/local/cuda-$wanted" /usr/local/cuda "$(dirname "$(dirname "$(command -v nvcc || echo /x/x)")")"; do
    if [ -x "$home/bin/nvcc" ] && "$home/bin/nvcc" --version | grep "release $wanted," >/dev/null; then
      export CUDA_HOME=$home FORCE_CUDA=1
      TORCH_CUDA_ARCH_LIST=${TORCH_CUDA_ARCH_LIST:-$("$VENV/bin/python" -c \
        'import torch; print(";".join(sorted({"%d.%d" % torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())})))')}
      export TORCH_CUDA_ARCH_LIST
      say "CUDA ops for compute capability $TORCH_CUDA_ARCH_LIST with $CUDA_HOME"
      return
    fi
  done
  fail "a GPU is present, but no nvcc of CUDA $wanted (torch's own) was found. Install the CUDA toolkit $wanted and set CUDA_HOME, or set CPU_ONLY=1."
}

# Whether the ops load with this torch, and know CUDA where there is a GPU. mmcv itself needs what is installed later.
mmcv_fits() {
  installed onedl-mmcv "$(pin onedl-mmcv)" || return 1
  local cuda
  cuda=$("$VENV/bin/python" - 2>/dev/null <<'PYTHON'
import glob, importlib.util, sysconfig, torch

(path,) = glob.glob(sysconfig.get_path('platlib') + '/mmcv/_ext*.so')
spec = importlib.util.spec_from_file_location('mmcv._ext', path)
ext = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ext)
print(ext.get_compiling_cuda_version())
PYTHON
  ) || return 1
  ! has_gpu || [ "$cuda" != "not available" ]
}

install_mmcv() {
  mmcv_fits && return
  local tool tools=() options=(--no-deps --no-build-isolation) memory
  for tool in setuptools wheel ninja psutil numpy packaging; do tools+=("$tool==$(pin $tool)"); done
  pip_install -q "${tools[@]}"
  if has_gpu; then cuda_settings; fi
  # pip's cache may have a CPU build of the same version, or one for another torch.
  if has_gpu || installed onedl-mmcv "$(pin onedl-mmcv)"; then options+=(--no-cache-dir --force-reinstall); fi
  memory=$(awk '/MemTotal/ {print int($2 / 2097152)}' /proc/meminfo)
  export MAX_JOBS=${MAX_JOBS:-$(( $(nproc) < memory ? $(nproc) : (memory > 0 ? memory : 1) ))}
  export MMCV_WITH_OPS=1 CFLAGS="${CFLAGS:--O2 -g0 -DNDEBUG}"
  say "mmcv $(pin onedl-mmcv): compiled from source unless pip has it built already; about 9 minutes on 2 cores (log: $LOG)"
  PATH="$VENV/bin:$PATH" PYTHONUNBUFFERED=1 pip_install -v "${options[@]}" "onedl-mmcv==$(pin onedl-mmcv)" >"$LOG" 2>&1 &
  local job=$! start=$SECONDS step
  trap 'kill $job 2>/dev/null || true' INT TERM EXIT
  while kill -0 $job 2>/dev/null; do
    sleep 5
    if [ $(( (SECONDS - start) % 30 )) -lt 5 ]; then
      step=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$LOG" | tail -n 1 | tr -d ' ' || true)
      say "mmcv: $(( SECONDS - start )) s ${step:+, step $step}"
    fi
  done
  trap - INT TERM EXIT
  wait $job || { tail -n 30 "$LOG" >&2; fail "mmcv did not build; the whole log is $LOG"; }
  say "mmcv is ready after $(( SECONDS - start )) s"
}

install_rest() {
  local stamp
  stamp=$VENV/requirements-$(sha256sum requirements.txt pyproject.toml | sha256sum | cut -c1-16)
  [ -e "$stamp" ] && return
  say "the packages of requirements.txt"
  pip_install --no-deps -r requirements.txt | { grep -vE 'already satisfied|^Looking|^Ignoring' || true; }
  "$VENV/bin/python" -m pip uninstall -q -y opencv-python 2>/dev/null || true
  # Both builds own the cv2 folder: removing the other one has taken files from the headless one.
  "$VENV/bin/python" -c 'import cv2' 2>/dev/null || pip_install -q --no-deps --force-reinstall "opencv-python-headless==$(pin opencv-python-headless)"
  pip_install -q --no-deps --no-build-isolation -e .
  touch "$stamp"
}

import_everything() {
  say "importing everything once"
  local library
  library=$("$VENV/bin/python" -c 'import cv2, glob, os; print(glob.glob(os.path.join(os.path.dirname(cv2.__file__), "cv2*.so"))[0])')
  if ldd "$library" | grep libGL >/dev/null; then fail "$library needs libGL: not the headless OpenCV"; fi
  "$VENV/bin/python" - <<'PYTHON'
import mmcellseg.components
import cv2, imagecodecs, matplotlib, mmcv, mmcv.ops, mmdet.apis, mmengine, pycocotools.mask, tifffile, torch

print(f'[set-up] torch {torch.__version__}, mmcv {mmcv.__version__}, mmengine {mmengine.__version__}, OpenCV {cv2.__version__}, '
      f'mmcellseg {mmcellseg.__version__}, ' + (torch.cuda.get_device_name() if torch.cuda.is_available() else 'no accelerator'))
PYTHON
}

check_system
make_venv
install_torch
install_mmcv
install_rest
import_everything
say "done: source $VENV/bin/activate"
