#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/oracle/venv.sh
#
# Makes sure that there is a Python with NumPy, PyTorch, scikit-learn, mpmath, safetensors, TensorBoard, seqeval, fonttools,
# OpenCV and piq, in a virtual environment outside the tree, and prints the path of its interpreter (the rest goes to standard error). Only the first call takes
# long: PyTorch is large. Where pip can't have them, Debian's packages serve (without the last six). Knobs, by environment:
#   MTLX_VENV     the virtual environment                   ($XDG_CACHE_HOME/mtlx-venv, else ~/.cache/mtlx-venv)
#   PYTHON        the interpreter that makes it             (python3)
#   MTLX_PIP=0    do not ask pip, use Debian's package
#   MTLX_SETUP=0  install no Debian packages
set -euo pipefail
exec 3>&1 >&2 </dev/null

folder=${MTLX_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/mtlx-venv}

works() { "$folder/bin/python" -c 'import numpy, torch, sklearn, mpmath' 2>/dev/null; }
found() {
  "$folder/bin/python" -c 'import numpy, platform, torch; print("python: Python", platform.python_version(),
    "torch", torch.__version__, "numpy", numpy.__version__)'
  echo "$folder/bin/python" >&3
}

if works && { [ "${MTLX_PIP:-1}" = 0 ] || "$folder/bin/python" -c 'import safetensors, tensorboard, seqeval, fontTools, cv2, piq' 2>/dev/null; }; then
  found
  exit 0
fi

apt() {
  local as_root=()
  if [ "${MTLX_SETUP:-1}" = 0 ]; then
    echo "python: missing: $*" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "python: neither root nor sudo without a password here; run as root: apt-get install $*" >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo "python: installing $*"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 update ||
    echo "python: apt-get update failed, trying with the lists at hand" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 install \
    --no-install-recommends "$@"
}

# make_venv PYTHON [OPTION...]
make_venv() {
  if [ -e "$folder" ] && [ ! -e "$folder/pyvenv.cfg" ]; then
    echo "python: $folder is there and is no virtual environment" >&2
    return 1
  fi
  rm -rf "$folder"
  mkdir -p "$(dirname "$folder")"
  "$@" "$folder"
}

with_pip() {
  local python=${PYTHON:-python3}
  local packages=(numpy torch scikit-learn mpmath safetensors tensorboard)
  # An environment that lacks some of them keeps the others.
  if "$folder/bin/python" -m pip install --quiet --no-cache-dir "${packages[@]}" 2>/dev/null && works; then
    few
    return
  fi
  if ! make_venv "$python" -m venv 2>/dev/null; then
    apt python3-venv || return 1
    make_venv "$python" -m venv || return 1
  fi
  echo "python: pip installs ${packages[*]} (several gigabytes)"
  "$folder/bin/python" -m pip install --quiet --no-cache-dir "${packages[@]}" && works && few
}

# Small, or built from source: what needs one is left out without it.
few() {
  local package
  for package in seqeval fonttools opencv-python-headless piq; do
    "$folder/bin/python" -m pip install --quiet --no-cache-dir "$package" 2>/dev/null || echo "python: no $package"
  done
}

with_debian() {
  apt python3-torch python3-numpy python3-sklearn python3-mpmath python3-venv || return 1
  make_venv /usr/bin/python3 -m venv --system-site-packages && works
}

if { [ "${MTLX_PIP:-1}" != 0 ] && with_pip; } || with_debian; then
  found
  exit 0
fi
echo "python: no PyTorch to be had, neither by pip nor by apt-get" >&2
exit 1
