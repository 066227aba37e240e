# shellcheck shell=bash
# Checks of the examples, as steps of a test run; needs common.sh, build.sh and, for the C example, build/native.

: "${root:?}"

# The README shows the examples' own code.
readme_shows_the_examples() {
  same_as_block java 1 "$root/examples/quickstart/src/main/java/Quickstart.java" &&
    same_as_block java 2 "$root/examples/gpu/OnGpu.java" &&
    same_as_block c 1 "$root/examples/c/quickstart.c"
}

# same_as_block LANGUAGE N FILE: the README's N-th block of that language, against the file.
same_as_block() {
  if ! diff <(awk -v fence="\`\`\`$1" -v n="$2" '
    $0 == "```" { inside = 0 }
    inside && count == n { print }
    $0 == fence { inside = 1; count++ }' "$root/README.md") "$3"; then
    echo "README.md's block $2 of $1 differs from $3"
    return 1
  fi
}

# The project in examples/quickstart with the installed artifact as its only dependency.
java_quickstart() {
  local out jars
  if native_is_off; then
    # Nothing without the native library is installed, so the same file runs on the jars just built.
    jars=$(find "$root/java/core/target" "$root/bindings/target" -name '*.jar' -not -name '*-sources.jar' | paste -sd :)
    out=$("$JAVA_HOME/bin/java" -Dinfonce.native=off -cp "$jars" \
      "$root/examples/quickstart/src/main/java/Quickstart.java" 2>&1) || { echo "$out" && return 1; }
    loss_falls_on java "$out"
  else
    out=$(mvn -q -B -ntp -Duser.home="$HOME" -f "$root/examples/quickstart/pom.xml" clean compile exec:exec 2>&1) || { echo "$out" && return 1; }
    loss_falls_on cpu "$out"
  fi
}

# loss_falls_on DEVICE OUTPUT
loss_falls_on() {
  grep -E '^(on|step)' <<<"$2"
  awk -v device="$1" '
    $1 == "on" && $2 == device { right = 1 }
    $1 == "step" { sub(",", "", $4); if (first == "") first = $4; last = $4 }
    END { exit !(right && first != "" && last + 0 < first / 2) }' <<<"$2" || {
    echo "expected device $1 and a loss that falls to less than half"
    return 1
  }
}

# The kernels that a GPU would run, on the CPU.
gpu_example() {
  local out
  out=$("$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED "-Dinfonce.library.path=$root/build/native" \
    -cp "$root/java/core/target/classes:$root/bindings/target/classes" "$root/examples/gpu/OnGpu.java" emulated 2>&1) || {
    echo "$out"
    return 1
  }
  echo "$out"
  grep -qE '^on emulated .*: loss 7\.0280' <<<"$out"
}

c_example() {
  local out
  c_program quickstart || return 1
  out=$("$root/build/examples/quickstart") || return 1
  echo "$out"
  # ln(1 + 3 exp(-1 / 0.5)), the closed form for four orthonormal rows.
  [[ $out == 'loss 0.340752954, '* ]]
}

# Fails by itself if it takes more than 256 MiB.
c_large_batch() {
  c_program large_batch && "$root/build/examples/large_batch"
}

# c_program NAME: examples/c/NAME.c against the library in build/native, into build/examples.
c_program() {
  mkdir -p "$root/build/examples"
  "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -I"$root/native/include" "$root/examples/c/$1.c" \
    -o "$root/build/examples/$1" -L"$root/build/native" -linfonce -Wl,-rpath,"$root/build/native"
}
