# shellcheck shell=bash
# A start as in a small container, as a step of a test run: no environment, no locale, a user id without an entry in the user
# database, a home that cannot be written to, native access denied, one processor and a heap of 256 MB. Needs common.sh, and
# java/cli built.

: "${root:?}"
CONTAINER=''
STRANGER=()

container_start() {
  local device=cpu
  native_is_off && device=java
  CONTAINER=$(mktemp -d)
  mkdir "$CONTAINER/home" "$CONTAINER/tmp" "$CONTAINER/ä"
  chmod 555 "$CONTAINER/home"
  become_stranger
  started_by_the_launcher "$device"
  started_by_java "$device"
  built_and_read_only "$device"
  answers 'nothing is left in the working directory' '^$' -- ls -A "$CONTAINER/ä"
  chmod -R u+w "$CONTAINER"
  rm -rf "$CONTAINER"
  ((FAILED == 0))
}

# A user that owns what this one does, under a number that has no name; whether that is possible is the system's decision.
become_stranger() {
  local processor
  processor=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
  if unshare --user --map-user=4242 --map-group=4242 true 2>/dev/null; then
    STRANGER=(unshare --user --map-user=4242 --map-group=4242)
  else
    echo "no namespace of users can be had here: run as $(id -un), whose name and rights the checks then have"
    STRANGER=()
  fi
  STRANGER+=(taskset -c "$processor" env -i -C "$CONTAINER/ä" "PATH=$PATH" "JAVA_HOME=$JAVA_HOME" "TMPDIR=$CONTAINER/tmp"
    "JDK_JAVA_OPTIONS=-Xmx256m -XX:ActiveProcessorCount=1 -Djava.io.tmpdir=$CONTAINER/tmp")
  if native_is_off; then
    STRANGER+=(INFONCE_NATIVE=off)
  fi
}

# answers WHAT PATTERN... -- COMMAND...: the command ends well, prints lines that match the patterns, and no stack trace.
answers() {
  local what=$1 out code=0 pattern wanted=()
  shift
  while [[ $1 != -- ]]; do
    wanted+=("$1")
    shift
  done
  shift
  out=$("${STRANGER[@]}" "$@" 2>&1) || code=$?
  if grep -qE '^[[:space:]]+at .*\(|^Exception in|^Caused by:' <<<"$out"; then
    code='with a stack trace'
  fi
  for pattern in "${wanted[@]}"; do
    grep -qE "$pattern" <<<"$out" || code="$code, without a line that matches $pattern"
  done
  if [[ $code == 0 ]]; then
    PASSED=$((PASSED + 1))
    echo "passed: $what"
  else
    FAILED=$((FAILED + 1))
    printf 'FAILED: %s ended %s\n%s\n' "$what" "$code" "$out"
  fi
}

# The launcher finds a locale and a home, and gives Java native access.
started_by_the_launcher() {
  local command="$root/infonce"
  answers 'doctor without HOME' "^  default +$1" -- "$command" doctor
  answers 'doctor with a HOME that cannot be written to' "^  default +$1" -- env HOME="$CONTAINER/home" "$command" doctor
  answers 'doctor where JAVA_TOOL_OPTIONS deny native access' "^  default +$1" -- \
    env JAVA_TOOL_OPTIONS=--illegal-native-access=deny "$command" doctor
  mkdir "$CONTAINER/ö"
  orthonormal_pair >"$CONTAINER/ö/ü.npy"
  # ln(1 + exp(-1 / 0.5)), the closed form for two orthonormal rows.
  answers 'loss of files outside ASCII' '0\.12692801' -- "$command" loss --loss infonce --temperature 0.5 \
    --queries "$CONTAINER/ö/ü.npy" --keys ../ö/ü.npy
}

# The identity of two rows in float32, as numpy.save writes it.
orthonormal_pair() {
  local header="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
  # shellcheck disable=SC2059 # The format has the length's byte.
  printf "\\x93NUMPY\\x01\\x00\\x$(printf %02x $((${#header} + 1)))\\x00%s\\n" "$header"
  printf '\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x3f'
}

# Programs of others start the JVM as they like.
started_by_java() {
  local device=$1 java="$JAVA_HOME/bin/java" denied=--illegal-native-access=deny
  local jars quickstart="$root/examples/quickstart/src/main/java/Quickstart.java" switch=on reason='native access is denied'
  if native_is_off; then
    switch=off
    reason='built without'
  fi
  jars=$(find "$root/java/core/target" "$root/bindings/target" -maxdepth 1 -name '*.jar' -not -name '*-sources.jar' | paste -sd :)
  answers 'quickstart, native access denied' '^on java' "cpu is not available: .*$reason" -- \
    "$java" "$denied" -cp "$jars" "$quickstart"
  answers 'quickstart, native access denied and the library switched off' '^on java' -- \
    "$java" "$denied" -Dinfonce.native=off -cp "$jars" "$quickstart"
  answers 'quickstart, native access given' "^on $device" -- \
    "$java" --enable-native-access=ALL-UNNAMED "-Dinfonce.native=$switch" -cp "$jars" "$quickstart"
  mkdir "$CONTAINER/warm"
  answers 'quickstart, which leaves its library in the cache' "^on $device" -- env HOME="$CONTAINER/warm" \
    "$java" --enable-native-access=ALL-UNNAMED "-Duser.home=$CONTAINER/warm" -cp "$jars" "$quickstart"
  chmod -R a-w "$CONTAINER/warm"
  answers 'quickstart where nothing can be written, with that cache' "^on $device" -- \
    "$java" --enable-native-access=ALL-UNNAMED "-Duser.home=$CONTAINER/warm" -Djava.io.tmpdir=/proc -cp "$jars" "$quickstart"
  answers 'doctor, native access denied' '^  default +java' "^  cpu +no: .*$reason" -- \
    "$java" "$denied" -cp "$(classpath_of java/cli)" dev.infonce.cli.Main doctor
}

# A checkout that cannot be written to, as a copy of links to the same files.
built_and_read_only() {
  local copy="$CONTAINER/ü copy" part
  for part in infonce pom.xml tools java/cli/target build/stamps; do
    mkdir -p "$copy/$(dirname "$part")"
    cp -a "$root/$part" "$copy/$part"
  done
  chmod -R a-w "$copy"
  if "${STRANGER[@]}" test -w "$copy"; then
    echo 'left out: doctor in a built checkout that is read only: this user may write everywhere'
    SKIPPED=$((SKIPPED + 1))
  else
    answers 'doctor in a built checkout that is read only' "^  default +$1" -- "$copy/infonce" doctor
  fi
  mkdir "$CONTAINER/a:b"
  cp -a "$root/infonce" "$root/tools" "$CONTAINER/a:b"
  # shellcheck disable=SC2016 # What the inner shell expands.
  answers "a checkout whose path has ':' is refused in one line" '^1 infonce: .*:' -- \
    bash -c '! out=$("$0" doctor 2>&1) && echo "$(wc -l <<<"$out") $out"' "$CONTAINER/a:b/infonce"
}
