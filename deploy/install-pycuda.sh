#!/usr/bin/env bash
# Builds pycuda from source and installs it: deploy/install-pycuda.sh [PYTHON], `python3` where none is given.
#
# Plain `pip install pycuda` does the same where nvcc lies inside its toolkit and the driver is installed. This also
# works where nvcc is a wrapper elsewhere (pycuda would take its folder for the toolkit) and on machines without a
# driver: pycuda is then linked against a stub, and loads the real libcuda.so.1 wherever it runs.
set -euo pipefail
python=${1:-python3}

if ! command -v nvcc >/dev/null; then
    echo "no nvcc here: install the CUDA toolkit, or use the wheel instead: $python -m pip install cuda-bindings" >&2
    exit 2
fi
# nvcc itself knows where its toolkit is: TOP=... in what a dry run prints.
root=$(nvcc --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')
root=$(cd "$root" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/stub"
grep -oE '\bcu[A-Z][A-Za-z0-9_]*' "$root/include/cuda.h" | sort -u | sed 's/.*/int &(void) { return 100; }/' >"$work/stub.c"
cc -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$work/stub/libcuda.so" "$work/stub.c" 2>/dev/null

# pycuda's set-up reads this file from the home folder; pip passes no such options on.
cat >"$work/.aksetup-defaults.py" <<END
CUDA_ROOT = "$root"
CUDADRV_LIB_DIR = ["$work/stub"]
CUDA_ENABLE_CURAND = False
END
cache=${PIP_CACHE_DIR:-$HOME/.cache/pip}
PIP_CACHE_DIR=$cache HOME=$work "$python" -m pip install 'pycuda>=2024.1'
"$python" -c 'import pycuda; print("pycuda", ".".join(map(str, pycuda.VERSION)), "installed")'
