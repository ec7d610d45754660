#!/usr/bin/env bash
# Build the live model's TensorRT plan on this Jetson, prove it, and time it. Not run on hardware yet.
# usage: deploy/jetson/build_engine.sh [CHECKPOINT] [float32|float16]
set -euo pipefail

checkpoint=${1:-live-en}
precision=${2:-float16}
python=${PYTHON:-.venv/bin/python}
ebmc="${EBMC:-$python -m stream.cli}"

[ -f /etc/nv_tegra_release ] || echo "this does not look like a Jetson (no /etc/nv_tegra_release); going on" >&2
"$python" -c 'import tensorrt; print("TensorRT", tensorrt.__version__)' || {
  echo "TensorRT is not visible: make the environment with --system-site-packages (see README.md here)" >&2; exit 2; }
"$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || {
  echo "torch cannot use the GPU: install NVIDIA's torch for this JetPack (see README.md here)" >&2; exit 2; }

# building proves the plan too: golden inputs, recorded windows, all subsets of modalities, against ONNX Runtime
$ebmc engine build "$checkpoint" --backend tensorrt --precision "$precision"
$ebmc engine verify "$checkpoint" --engine "tensorrt:$precision"
$ebmc engine bench "$checkpoint" --engine "tensorrt:$precision" --engine onnx --json "jetson-$(uname -n).json"
$ebmc doctor || true
