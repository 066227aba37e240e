# shellcheck shell=bash
# Shared by the launcher and the scripts in tools/: messages, the JDK, and tools that builds need.
# The caller sets $root, the folder of this project.

: "${root:?}"
readonly MIN_JDK=25

say() {
  printf '%s\n' "$*" >&2
}

die() {
  say "infonce: $*"
  exit 1
}

# Java names files in the locale's encoding, so that under ASCII, as where there is no locale at all, it could not open "ä".
use_utf8_locale() {
  local name
  [[ $(locale charmap 2>/dev/null) == ANSI_X3.4* ]] || return 0
  for name in C.UTF-8 C.utf8 en_US.UTF-8; do
    if [[ $(LC_ALL=$name locale charmap 2>/dev/null) == UTF-8 ]]; then
      export LC_ALL=$name
      return
    fi
  done
}

# private_folder PATH: creates a folder of the user's own that nobody else may write to, or makes it so.
private_folder() {
  mkdir -m 700 -- "$1" 2>/dev/null || true
  [[ -d $1 && ! -L $1 && -O $1 && -w $1 ]] || die "$1 must be a folder of this user that can be written to"
  chmod go-w -- "$1"
}

# A private folder for a user without a home, or with one that cannot be written to.
temporary_home() {
  local folder
  folder=${TMPDIR:-/tmp}/infonce-home-$(id -u)
  private_folder "$folder"
  printf '%s\n' "$folder"
}

# Sets and exports HOME where there is none, as for a user id without an entry in the user database.
use_home() {
  [[ ${HOME:-} == /* ]] && return
  HOME=$(getent passwd "$(id -u)" | cut -d : -f 6) || true
  if [[ $HOME != /* ]]; then
    HOME=$(temporary_home) || exit 1
  fi
  export HOME
}

# The major version of the JDK in a folder, or nothing if there is no JDK.
jdk_major() {
  [[ -x $1/bin/javac && -r $1/release ]] || return 0
  sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release"
}

# Sets and exports JAVA_HOME to a JDK that is new enough.
need_jdk() {
  local candidate major java_on_path=''
  if command -v java >/dev/null; then
    java_on_path=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
  fi
  for candidate in "${JAVA_HOME:-}" "${JAVA25_HOME:-}" /usr/lib/jvm/* "$java_on_path"; do
    [[ -n $candidate ]] || continue
    major=$(jdk_major "$candidate")
    if [[ -n $major && $major -ge $MIN_JDK ]]; then
      export JAVA_HOME=$candidate
      return
    fi
  done
  die "no JDK $MIN_JDK found in JAVA_HOME, JAVA25_HOME, /usr/lib/jvm or PATH; install one, such as Debian's" \
    "openjdk-$MIN_JDK-jdk-headless or Adoptium's temurin-$MIN_JDK-jdk"
}

# The Debian package of a tool.
package_of() {
  case $1 in
    mvn) echo maven ;;
    ninja) echo ninja-build ;;
    gtest) echo libgtest-dev ;;
    benchmark) echo libbenchmark-dev ;;
    jemalloc) echo libjemalloc2 ;;
    numpy) echo python3-numpy ;;
    clang-format) echo clang-format-16 ;;
    gtest-source) echo libgtest-dev ;;
    aarch64-linux-gnu-g++) echo g++-aarch64-linux-gnu ;;
    qemu-aarch64) echo qemu-user ;;
    clang++-19) echo clang-19 ;;
    libfuzzer) echo libclang-rt-19-dev ;;
    llvm-cov-19) echo llvm-19 ;;
    *) echo "$1" ;;
  esac
}

is_there() {
  case $1 in
    gtest) has_header gtest/gtest.h ;;
    gtest-source) [[ -r /usr/src/googletest/googletest/CMakeLists.txt ]] ;;
    benchmark) has_header benchmark/benchmark.h ;;
    jemalloc) [[ -n $(jemalloc) ]] ;;
    libfuzzer) compgen -G "$(clang++-19 -print-resource-dir 2>/dev/null)/lib/linux/libclang_rt.fuzzer-*.a" >/dev/null ;;
    numpy) [[ -n $(python_with_numpy) ]] ;;
    clang-format) [[ -n $(clang_format_16) ]] ;;
    g++) command -v "${CXX:-g++}" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

has_header() {
  echo "#include <$1>" | "${CXX:-g++}" -x c++ -fsyntax-only - 2>/dev/null
}

# Whether the user wants pure Java: INFONCE_NATIVE=off builds and loads nothing native.
native_is_off() {
  [[ ${INFONCE_NATIVE:-on} == off ]]
}

# What building the native library takes, unless the user wants none.
need_native_tools() {
  native_is_off || need_tools cmake g++ ninja
}

# A Python that has NumPy, if there is one.
python_with_numpy() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import numpy' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
}

# The path of jemalloc's library, if it is there.
jemalloc() {
  local library
  for library in /usr/lib/*-linux-gnu/libjemalloc.so.2 /usr/lib64/libjemalloc.so.2; do
    if [[ -r $library ]]; then
      echo "$library"
      return
    fi
  done
}

# The name of a clang-format of version 16, whose output differs from that of others, if there is one.
clang_format_16() {
  local name
  for name in clang-format-16 clang-format; do
    if command -v "$name" >/dev/null && [[ $("$name" --version) == *'version 16.'* ]]; then
      echo "$name"
      return
    fi
  done
}

# Installs what is missing where root may do so with apt-get, else says what to install.
need_tools() {
  local tool missing=() packages=()
  for tool in "$@"; do
    is_there "$tool" || missing+=("$tool")
  done
  ((${#missing[@]})) || return 0
  for tool in "${missing[@]}"; do
    packages+=("$(package_of "$tool")")
  done
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    die "missing: ${missing[*]}; install them, on Debian with: sudo apt-get install ${packages[*]}"
  fi
  logged packages "installing ${packages[*]}" install_packages "${packages[@]}"
  for tool in "${missing[@]}"; do
    is_there "$tool" || die "$tool is still missing after apt-get install $(package_of "$tool")"
  done
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
}

# logged NAME WHAT COMMAND...: runs a command with its output in build/logs/NAME.log, a line that says what is being
# done, and the log's end if it fails.
logged() {
  local name=$1 what=$2 log="$root/build/logs/$1.log" start=$SECONDS clock='' code=0
  shift 2
  mkdir -p "$root/build/logs"
  if [[ -t 2 ]]; then
    clock "$what" &
    clock=$!
  else
    say "infonce: $what (log: build/logs/$name.log)"
  fi
  # Kept in the foreground so that Ctrl-C reaches it; in a subshell so that a failing command does not end this one.
  ("$@") >"$log" 2>&1 </dev/null || code=$?
  if [[ -n $clock ]]; then
    kill "$clock" 2>/dev/null || true
    wait "$clock" 2>/dev/null || true
    printf '\r\033[K' >&2
  fi
  if ((code)); then
    say "infonce: failed: $what; from build/logs/$name.log:"
    excerpt "$log" >&2
    return 1
  fi
  say "infonce: done in $((SECONDS - start)) s: $what"
}

# The lines of a log that say what went wrong, else its end.
excerpt() {
  local lines
  lines=$(grep -E '[Ee]rror:|\[ERROR\]|FAILED|^E: ' "$1" |
    grep -vE '\[Help 1\]|\[ERROR\] *$|[Rr]e-run Maven|around Ant part|After correcting|mvn <args>|possible solutions' | head -n 25) || true
  if [[ -n $lines ]]; then
    printf '%s\n' "$lines"
  else
    tail -n 25 "$1"
  fi
}

clock() {
  local start=$SECONDS
  while true; do
    printf '\rinfonce: %s ... %d s' "$1" $((SECONDS - start)) >&2
    sleep 1
  done
}

if [[ $root == *:* ]]; then
  die "$root: a path with ':' cannot be on Java's class path; move the folder"
fi
use_utf8_locale
use_home
