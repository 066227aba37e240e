# shellcheck shell=bash
# Fuzzing of the Java modules with Jazzer, which chooses inputs by what they reach; needs common.sh, build.sh and steps.sh.

: "${root:?}"

# Module, class and share of the time of each fuzz target. Each class has its corpus in src/test/resources/fuzz.
FUZZ_TARGETS_JAVA=(
  'java/core dev.infonce.suite.PlanFuzz 4'
  'java/core dev.infonce.suite.MisuseFuzz 2'
  'java/cli dev.infonce.cli.npy.NpyFuzz 1'
  'java/cli dev.infonce.cli.LossCommandFuzz 2'
  'java/djl dev.infonce.djl.data.IdxFuzz 1'
  'java/djl dev.infonce.djl.simclr.CheckpointFuzz 1'
)

# fuzz_java SECONDS: after fuzz_java_classpaths, every target in turn, with what earlier runs found worth keeping. Sets PASSED and
# FAILED for step, and prints how many calls were made and what was found. Inputs that fail are kept in
# build/fuzz/java/TARGET/findings.
fuzz_java() {
  local seconds=$1 shares=0 target module class share calls=0 findings=0
  for target in "${FUZZ_TARGETS_JAVA[@]}"; do
    read -r module class share <<<"$target"
    shares=$((shares + share))
  done
  for target in "${FUZZ_TARGETS_JAVA[@]}"; do
    read -r module class share <<<"$target"
    fuzz_java_target "$module" "$class" $((seconds * share / shares))
    calls=$((calls + FUZZ_CALLS))
    findings=$((findings + FUZZ_FINDINGS))
    if ((FUZZ_FINDINGS)); then
      FAILED=$((FAILED + 1))
    else
      PASSED=$((PASSED + 1))
    fi
  done
  printf 'Java: %d calls, %d findings\n' "$calls" "$findings"
  ((findings == 0))
}

# Test classes and their class paths, with Jazzer on them.
fuzz_java_classpaths() {
  logged fuzz-java-build 'building the fuzz targets' maven -Pfuzz -pl java/core,java/cli,java/djl -am \
    -Dspotless.check.skip=true -Dmdep.includeScope=test -Dmdep.outputFile=target/fuzz-classpath.txt \
    test-compile org.apache.maven.plugins:maven-dependency-plugin:3.11.0:build-classpath
}

# fuzz_java_target MODULE CLASS SECONDS: sets FUZZ_CALLS and FUZZ_FINDINGS.
fuzz_java_target() {
  local module=$1 class=$2 seconds=$3 name=${2##*.} folder log code=0
  folder=$root/build/fuzz/java/$name
  log=$root/build/logs/fuzz-$name.log
  mkdir -p "$folder/corpus" "$folder/findings" "$root/build/logs"
  (
    cd "$root/$module" || exit 1
    "$JAVA_HOME/bin/java" -Xmx1g -XX:+UseSerialGC --enable-native-access=ALL-UNNAMED --add-modules jdk.incubator.vector \
      -Djava.awt.headless=true -Duser.home="$HOME" -cp "target/test-classes:target/classes:$(<target/fuzz-classpath.txt)" \
      com.code_intelligence.jazzer.Jazzer --target_class="$class" --instrumentation_includes='dev.infonce.**' \
      --instrumentation_excludes='dev.infonce.suite.**:dev.infonce.fuzz.**' --keep_going=100 \
      --reproducer_path="$folder/findings" -artifact_prefix="$folder/findings/" -max_total_time="$seconds" \
      -timeout=120 -max_len=4096 -print_final_stats=1 \
      "$folder/corpus" "src/test/resources/fuzz/$name"
  ) >"$log" 2>&1 </dev/null || code=$?
  FUZZ_CALLS=$(sed -n 's/^calls of .*: \([0-9]*\)$/\1/p' "$log" | tail -1)
  FUZZ_FINDINGS=$(grep -cE '^== Java Exception|^==[0-9]+== ERROR' "$log" || true)
  # What ends without its count has not done what it was asked, whatever the reason.
  if [[ -z $FUZZ_CALLS ]] || ((code && FUZZ_FINDINGS == 0)); then
    FUZZ_CALLS=${FUZZ_CALLS:-0}
    FUZZ_FINDINGS=$((FUZZ_FINDINGS + 1))
    tail -5 "$log"
  fi
  printf '%-16s %10d calls in %d:%02d, coverage %s, %d findings\n' "$name" "$FUZZ_CALLS" $((seconds / 60)) $((seconds % 60)) \
    "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)" "$FUZZ_FINDINGS"
  if ((FUZZ_FINDINGS)); then
    grep -A 4 -E '^== Java Exception|^==[0-9]+== ERROR' "$log" | cut -c 1-600 | head -40
  fi
}
