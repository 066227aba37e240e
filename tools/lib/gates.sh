# shellcheck shell=bash
# Steps that read or change sources, or what compilers make of them, instead of running them on a device; see
# docs/verification.md. Needs common.sh, options.sh and steps.sh, and the builds that the native tests left.

: "${root:?}"

# gate LOG COMMAND...: its output to the terminal and to build/logs/LOG.log.
gate() {
  shown "$1" . "${@:2}"
}

kernel_table() {
  gate test-kernel-table python3 "$root/tools/gates/compile_gate.py" --self-test
}

second_front_end() {
  gate test-clang python3 "$root/tools/gates/clang_gate.py"
}

# Of the emulated library, and of the one that nvcc compiles where the build has it.
only_enqueues() {
  local build="$root/build/native" gate="$root/tools/gates/enqueue_gate.py"
  gate test-enqueue python3 "$gate" --objects "$build/native/infonce_emulated_objects.txt" \
    --self-test "$build/compile_commands.json" || return 1
  if grep -qx 'INFONCE_CUDA:BOOL=ON' "$build/CMakeCache.txt"; then
    gate test-enqueue-cuda python3 "$gate" --objects "$build/native/infonce_cuda_objects.txt"
  fi
}

kernels_on_paper() {
  gate test-peak-shares python3 "$root/tools/gates/peak_shares.py"
}

neon_registers() {
  gate test-neon-registers python3 "$root/tools/gates/neon_gate.py" --objdump aarch64-linux-gnu-objdump \
    --build "$root/build/native-aarch64"
}

# seeded LOG COMMAND...: PASSED and FAILED are the bugs that its tests caught, and those that they did not.
# shellcheck disable=SC2034  # `step` reads what is counted
seeded() {
  local code=0
  gate "$@" || code=$?
  PASSED=$(grep -c '^caught ' "$root/build/logs/$1.log" || true)
  FAILED=$(grep -cE '^(MISSED|MISFIT) ' "$root/build/logs/$1.log" || true)
  return "$code"
}

seeded_bugs() {
  seeded test-mutations python3 "$root/tools/gates/mutation_gate.py" --build "$root/build/native"
}

seeded_bugs_cpu() {
  seeded test-mutations-cpu python3 "$root/tools/gates/cpu_mutation_gate.py" --build "$root/build/native"
}

seeded_bugs_java() {
  logged test-mutations-java-build "compiling the tests of bindings and java/core" maven -pl java/core -am test-compile \
    -Dspotless.check.skip=true org.apache.maven.plugins:maven-dependency-plugin:3.11.0:build-classpath -Dmdep.includeScope=test \
    -Dmdep.outputFile=target/test-classpath.txt || return 1
  seeded test-mutations-java python3 "$root/tools/gates/java_mutation_gate.py" --library "$root/build/native"
}

gates() {
  if ! command -v python3 >/dev/null; then
    left_out 'gates' 'there is no Python 3'
    return
  fi
  step 'passes only enqueue' only_enqueues
  step 'kernels on paper' kernels_on_paper
  if [[ ! -v FLAG[gates] ]]; then
    left_out 'seeded bugs' 'needs --gates'
    left_out 'seeded bugs, CPU' 'needs --gates'
    left_out 'seeded bugs, Java' 'needs --gates'
    left_out 'native tests, threads' 'needs --gates'
    left_out 'kernels, every architecture' 'needs --gates'
    left_out 'kernels through clang' 'needs --gates'
    return
  fi
  step 'seeded bugs' seeded_bugs
  step 'seeded bugs, CPU' seeded_bugs_cpu
  step 'seeded bugs, Java' seeded_bugs_java
  step 'native tests, threads' counted_tsan
  if nvcc_path >/dev/null; then
    step 'kernels, every architecture' kernel_table
  else
    left_out 'kernels, every architecture' 'nvcc is not installed'
  fi
  need_tools clang-19
  step 'kernels through clang' second_front_end
}
