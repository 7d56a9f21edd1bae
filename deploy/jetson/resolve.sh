#!/usr/bin/env bash
# Resolve what edgessd needs on a Jetson, for Python 3.10 (JetPack 6, glibc 2.35) and 3.12 (JetPack 7, glibc 2.39) on
# aarch64, from any machine: only indexes and metadata are read, nothing is installed. Exit 0 when all have wheels.
#
#   deploy/jetson/resolve.sh [UV]            # uv is taken from the PATH or .venv/bin where not given
set -euo pipefail
cd "$(dirname "$0")/../.."

# The machine's own certificates, as pip uses them.
export UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1
UV=${1:-$(command -v uv || echo .venv/bin/uv)}
"$UV" --version >/dev/null || {
    echo "$0: uv is missing: pip install uv" >&2
    exit 2
}

# uv, unlike pip, evaluates markers such as python_version < '3.11' for the machine that is asked about.
resolve() {
    local python=$1 platform=$2
    shift 2
    "$UV" pip compile --quiet --no-header --no-annotate --python-version "$python" --python-platform "$platform" \
        --only-binary :all: pyproject.toml "$@"
}

# Print one line; the answer is that of all packages together.
report() {
    local what=$1 found
    shift
    if ! found=$(resolve "$@" 2>&1); then
        echo "$what: NOT resolved: $found"
        return 1
    fi
    echo "$what: $(grep -c == <<<"$found") packages, $(grep -E '^(numpy|onnxruntime|opencv|openvino|cuda-bindings|pycuda)' <<<"$found" | paste -sd ' ')"
    if [[ $what == *board* ]] && grep -q '^opencv' <<<"$found"; then
        echo "$what: pip's OpenCV would hide JetPack's"
        return 1
    fi
}

# All at once: most of the time goes by waiting for the index.
jobs=()
for target in "3.10 aarch64-manylinux_2_35 6" "3.12 aarch64-manylinux_2_39 7"; do
    read -r python platform jetpack <<<"$target"
    # As deploy/jetson/install.sh asks for it, with what `edgessd eval` wants besides JetPack's OpenCV.
    report "Python $python, board" "$python" "$platform" --extra streams "deploy/jetson/jetpack$jetpack.txt" - \
        <<<$'faster-coco-eval>=1.6\nmatplotlib>=3.8\ndefusedxml>=0.7\npyyaml>=6' &
    jobs+=($!)
    report "Python $python, extras" "$python" "$platform" \
        --extra cpu --extra openvino --extra streams --extra eval &
    jobs+=($!)
    # pycuda has no wheels anywhere: its source's metadata and its own dependencies are resolved.
    report "Python $python, pycuda from source" "$python" "$platform" --extra jetson --no-binary pycuda &
    jobs+=($!)
done
# onnxruntime-gpu has aarch64 wheels for 3.11 and newer only; JetPack 6 has 3.10.
report "Python 3.12, gpu" 3.12 aarch64-manylinux_2_39 --extra gpu &
jobs+=($!)

failed=0
for job in "${jobs[@]}"; do
    wait "$job" || failed=1
done
exit "$failed"
