# The steps of tools/test, one function each; each runs in a shell of its own, from the project's folder.
# shellcheck shell=bash

fuzz_long_seconds=60   # per fuzz target in --full
load_clients=3000      # of the load test in --full
repeat_count=5         # runs of the unit tests in --full
asan_shards=8          # under ASan every eighth conformance case runs

# The Python that the installed packages belong to; another one may come first in the path.
python=/usr/bin/python3
[[ -x $python ]] || python=python3

export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1
export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19
export TSAN_OPTIONS=external_symbolizer_path=/usr/bin/llvm-symbolizer-19:halt_on_error=1

# What the table at the end says beside the step's result.
detail() { printf '%s\n' "$*" >"$OAG_STEP_DETAIL"; }

# run_ctest PRESET ARGUMENT...: runs tests, fails where none match, tells how many GoogleTest cases passed, and ends
# with what failed.
run_ctest() {
  local preset=$1 log
  shift
  log=$(mktemp)
  local status=0
  ctest --preset "$preset" --no-tests=error --verbose -j "${OAG_JOBS:-$(nproc)}" "$@" >"$log" 2>&1 || status=$?
  cat "$log"
  awk '/\[  PASSED  \] [0-9]+ test/ { cases += $(NF - 1) }
       /tests failed out of [0-9]+$/ { programs = $NF }
       END { if (cases) printf "%d cases in ", cases
             printf "%d programs\n", programs }' "$log" >"$OAG_STEP_DETAIL"
  if ((status)); then
    echo 'what failed:'
    grep -A 6 -E ': Failure$|\[  FAILED  \] .*ms\)$|ERROR: |runtime error: |WARNING: ThreadSanitizer|\(Failed\)$' "$log" | head -n 60
  fi
  rm -f "$log"
  return $status
}

tracked_sources() { git ls-files '*.h' '*.cc' '*.c' '*.cu' '*.inc'; }

# --- the tree itself ---

step_install() { tools/setup build dev arm64; }

step_format() {
  local files
  mapfile -t files < <(tracked_sources)
  clang-format-19 --dry-run -Werror "${files[@]}"
  detail "${#files[@]} files"
}

step_layers() { $python tools/check_layers.py | tee "$OAG_STEP_DETAIL"; }

step_tools() {
  $python -m unittest discover -s tests/tools -p '*_test.py' 2>&1 | tee "$OAG_STEP_DETAIL.log"
  detail "$(grep -oE 'Ran [0-9]+ tests' "$OAG_STEP_DETAIL.log")"
}

step_schemas() { $python tools/check_schemas.py | tee "$OAG_STEP_DETAIL"; }

# --- g++ release ---

step_release() {
  configure release -DOAG_TESTS=ON -DOAG_WERROR=ON
  build_preset release
}

step_unit() { run_ctest release -L unit; }

step_conformance() { run_ctest release -L conformance; }

onnx_suite=build/onnx_suite

# Writes the cases of the package onnx where they are missing.
export_onnx_suite() {
  local version
  version=$(grep -x 'onnx==.*' tools/python-packages.txt)
  [[ $version != "$(cat $onnx_suite/version.txt 2>/dev/null)" ]] || return 0
  rm -rf $onnx_suite
  $python tools/export_onnx_suite.py $onnx_suite
  echo "$version" >$onnx_suite/version.txt
}

# check_onnx_cases ARGUMENT...: of tools/check_onnx_suite.py.
check_onnx_cases() {
  export_onnx_suite
  $python tools/check_onnx_suite.py "$@" | tee "$OAG_STEP_DETAIL.log"
  detail "$(tail -n 1 "$OAG_STEP_DETAIL.log")"
}

step_onnx_suite() { check_onnx_cases $onnx_suite tests/data/onnx/cases; }

step_onnx_sample() { check_onnx_cases --every 16 $onnx_suite tests/data/onnx/cases; }

step_onnx_random() {
  $python tests/conformance/onnx_differential.py --seed 1 --graphs 400 | tee "$OAG_STEP_DETAIL.log"
  detail "$(tail -n 1 "$OAG_STEP_DETAIL.log")"
}

# Cases of whole models, made again when their list or their maker changes.
step_onnx_models() {
  local folder=build/onnx_models made
  made=$(cat tools/model-packages.txt tools/make_onnx_models.py | sha256sum)
  if [[ $made != "$(cat $folder/made_by.txt 2>/dev/null)" ]]; then
    rm -rf $folder
    $python tools/make_onnx_models.py $folder
    echo "$made" >$folder/made_by.txt
  fi
  build/release/bin/oag verify $folder | tee "$OAG_STEP_DETAIL.log"
  detail "$(tail -n 1 "$OAG_STEP_DETAIL.log")"
}

# Exports OAG_TEST_MODEL, the path of the default model.
get_model() {
  OAG_TEST_MODEL=$(build/release/bin/oag pull smollm2 | tail -n 1)
  export OAG_TEST_MODEL
  [[ -f $OAG_TEST_MODEL ]] || { echo "oag pull smollm2 did not end with the path of a file: \"$OAG_TEST_MODEL\""; return 1; }
}

step_e2e() {
  get_model
  run_ctest release -L e2e
}

# The examples, built the way a user builds them: against an installed tree that stands elsewhere.
step_consumer() {
  local work=build/consumer
  rm -rf "$work"
  get_model
  cmake --install build/release --prefix "$PWD/$work/prefix"
  cmake -S examples -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$PWD/$work/prefix"
  cmake --build "$work/build"
  OAG_TEST_ONNX=$PWD/tests/data/onnx/cases/ai.onnx/simplifiedlayernormalization_plain/model.onnx \
    ctest --test-dir "$work/build" --output-on-failure --no-tests=error
  cmake -S examples/custom_op -B "$work/custom_op" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$PWD/$work/prefix"
  cmake --build "$work/custom_op"
  ctest --test-dir "$work/custom_op" --output-on-failure --no-tests=error
  # A C project without CMake asks pkg-config.
  local source flags
  source=$(find examples -name '*.c' | sort | head -n 1)
  flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$PWD/$work/prefix" -name openautoglm.pc)") \
    pkg-config --cflags --libs --static openautoglm)
  # shellcheck disable=SC2086  # the flags are words
  gcc -o "$work/by_pkg_config" "$source" $flags
  # All of them give the program's own answer.
  local prompt='The capital of France is' expected program
  expected=$(build/release/bin/oag run "$OAG_TEST_MODEL" --raw --greedy -n 32 -p "$prompt")
  for program in "$work"/build/hello_* "$work/by_pkg_config"; do
    [[ $("$program" "$OAG_TEST_MODEL" "$prompt") == "$expected" ]] || { echo "$program differs from oag run"; return 1; }
  done
}

step_no_engine() {
  configure no-engine -DOAG_WERROR=ON
  build_preset no-engine
  run_ctest no-engine -L unit
}

# --- sanitizers and fuzzing, clang ---

step_asan() {
  configure asan -DOAG_WERROR=ON
  build_preset asan
}

step_asan_unit() { run_ctest asan -L unit; }

step_asan_conformance() { GTEST_TOTAL_SHARDS=$asan_shards GTEST_SHARD_INDEX=0 run_ctest asan -L conformance; }

step_asan_onnx() {
  check_onnx_cases --oag build/asan/bin/oag --kernels reference --every 2 $onnx_suite/node tests/data/onnx/cases
}

step_fuzz() { run_ctest asan -L fuzz; }

# The parts where threads meet: the pool, the session, kernels of plugins, the batching scheduler, the HTTP server.
tsan_programs=(base_tests engine_session_tests engine_plugins_tests llm_generate_tests service_net_tests api_tests)

step_tsan() {
  configure tsan -DOAG_WERROR=ON
  build_preset tsan "${tsan_programs[@]}"
  local IFS='|'
  run_ctest tsan -R "^(${tsan_programs[*]})\$"
}

# --- AArch64 under an emulator ---

step_arm64() {
  configure arm64 -DOAG_WERROR=ON
  build_preset arm64
  run_ctest arm64 -LE e2e
}

# --- the long ones ---

step_clang() {
  configure clang -DOAG_WERROR=ON
  build_preset clang
  run_ctest clang -LE e2e
}

step_tidy() {
  configure clang
  run-clang-tidy-19 -p build/clang -quiet -j "${OAG_JOBS:-$(nproc)}" "^$PWD/src/.*\.cc\$"
}

step_fuzz_long() {
  local target name scratch count=0
  for target in build/asan/tests/fuzz/*_fuzz; do
    name=$(basename "$target" _fuzz)
    scratch=build/asan/tests/fuzz/long_$name
    mkdir -p "$scratch"
    "$target" -max_total_time=$fuzz_long_seconds -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$scratch/" \
      "$scratch" "tests/fuzz/corpus/$name"
    count=$((count + 1))
  done
  detail "$count targets, $fuzz_long_seconds s each"
}

# Leaks fail it too: the server's exit status is looked at.
step_load() {
  OAG_BINARY=$PWD/build/asan/bin/oag OAG_LOAD_CLIENTS=$load_clients $python tests/e2e/load_test.py 2>&1 | tee "$OAG_STEP_DETAIL.log"
  detail "$(grep -oE '[0-9]+ clients in [0-9.]+ s' "$OAG_STEP_DETAIL.log")"
}

step_repeat() { run_ctest release -L unit --repeat "until-fail:$repeat_count" --schedule-random; }
