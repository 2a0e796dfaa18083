#!/usr/bin/env bash
# Gets llama-cpp-python's server, over the llama.cpp that llamacpp.sh builds, and prints the program that starts it.
# usage: bench/peers/llamacpp_python.sh [FOLDER [FOLDER_OF_LLAMACPP]]      default: build/peers/llamacpp_python, build/peers/llamacpp
set -euo pipefail
packages=(numpy==2.4.6 diskcache==5.6.3 Jinja2==3.1.6 typing_extensions==4.16.0 fastapi==0.165.0 uvicorn==0.54.0
  sse-starlette==3.7.0 starlette-context==0.3.6 pydantic-settings==2.16.3 PyYAML==6.0.3)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/../../build/peers/llamacpp_python}
tools=$("$here/llamacpp.sh" ${2+"$2"})

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [[ ! -x $folder/server ]]; then
  python3 -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --root-user-action ignore --target "$folder/packages" \
    "${packages[@]}" >&2
  cat >"$folder/server.new" <<END
#!/bin/sh
export LLAMA_CPP_LIB_PATH='$tools' PYTHONPATH='${tools%/vendor/*}:$folder/packages'
exec '$(command -v python3)' -m llama_cpp.server "\$@"
END
  chmod +x "$folder/server.new"
  mv "$folder/server.new" "$folder/server"
fi
echo "$folder/server"
