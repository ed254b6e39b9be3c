#!/usr/bin/env bash
# Runs once, when Gradescope builds the autograder's image. A learner's code never sees
# /autograder/source; what it may import lies in /opt/nbproctor.
set -euo pipefail
home=/opt/nbproctor
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv
python3 -m venv "$home/uv"
"$home/uv/bin/pip" install --quiet 'uv>=0.8'
export UV_PYTHON_INSTALL_DIR="$home/python" UV_NO_CACHE=1 UV_TORCH_BACKEND=cpu
"$home/uv/bin/uv" venv --python PYTHON_VERSION "$home/environment"
"$home/uv/bin/uv" pip install --python "$home/environment/bin/python" --compile-bytecode \
  -r /autograder/source/requirements.txt
cp -r /autograder/source/packages "$home/packages"
# On the path as an installed package's folder is: the sandbox passes no variables on.
site=$("$home/environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$home/packages" > "$site/nbproctor_packages.pth"
chmod -R go+rX "$home"
chmod -R go-rwx /autograder/source
