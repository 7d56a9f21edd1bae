#!/usr/bin/env bash
# Starts the Triton of the wheel nvidia-pytriton on this machine alone: serve.sh PYTHON MODEL_REPOSITORY [OPTION...]
# PYTHON: of a virtual environment with nvidia-pytriton, 'numpy<2' and edgessd. The wheel has no backend but python, so
# only models of it are loaded. More addresses: the options --http-address, --grpc-address and --metrics-address.
set -euo pipefail
python=$1 repository=$2
shift 2
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
version=$("$python" -c 'import sys; print("{}.{}".format(*sys.version_info))')
triton=$site/pytriton/tritonserver
[ -x "$triton/bin/tritonserver" ] || { echo "no nvidia-pytriton in $site: install it there" >&2; exit 2; }
# The python backend looks for its interpreter's half beside itself; the wheel carries one a version of Python.
cp --update "$triton/python_backend_stubs/$version/triton_python_backend_stub" "$triton/backends/python/"
models=()
for config in "$repository"/*/config.pbtxt; do
    grep -q '^backend: "python"' "$config" && models+=("--load-model=$(basename "$(dirname "$config")")")
done
export LD_LIBRARY_PATH=$site/nvidia_pytriton.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PATH=$(dirname "$python"):$PATH exec "$triton/bin/tritonserver" --backend-directory="$triton/backends" \
    --model-repository="$repository" --model-control-mode=explicit "${models[@]}" --disable-auto-complete-config \
    --http-address=127.0.0.1 --grpc-address=127.0.0.1 --metrics-address=127.0.0.1 "$@"
