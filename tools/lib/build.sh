# shellcheck shell=bash
# Building and starting Java modules; needs common.sh.

: "${root:?}"

# The folders that a Java module is built from, tests left out.
sources_of() {
  printf '%s\n' pom.xml CMakeLists.txt CMakePresets.json cmake native bindings java/core
  case $1 in
    java/cli) echo java/cli ;;
    java/train) printf '%s\n' java/djl java/cli java/train ;;
    bench) printf '%s\n' java/cli bench ;;
    bench/peers) printf '%s\n' java/djl java/cli bench ;;
    *) die "no module $1" ;;
  esac
}

# Changes whenever anything changes that the module is built from.
fingerprint() (
  cd "$root" || exit 1
  {
    # The tools decide whether there is a native library to pack.
    printf '%s\n' "$JAVA_HOME" "$1" "${INFONCE_NATIVE:-on}" "$(command -v cmake g++ c++ ninja || true)"
    sources_of "$1" | xargs -I{} find {} \( -name target -o -path '*/src/test' -o -path native/test -o -path native/bench \) \
      -prune -o -type f -printf '%p %T@ %s\n' | LC_ALL=C sort
  } | sha256sum | cut -d ' ' -f 1
)

classpath_of() {
  local module=$1 jar
  for jar in "$root/$module/target/"*.jar; do
    [[ $jar == *-sources.jar || $jar == *-javadoc.jar ]] || printf '%s:' "$jar"
  done
  cat "$root/$module/target/classpath.txt"
}

# Whether every jar of the class path is there; a cleaned Maven repository is a reason to build.
classpath_is_whole() {
  local entry
  [[ -r $root/$1/target/classpath.txt ]] || return 1
  while IFS= read -r -d ':' entry; do
    [[ -r $entry ]] || return 1
  done < <(classpath_of "$1" && printf ':')
}

maven() {
  # CMake reads the variable; Maven's build and this project's own share build/native.
  if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
  fi
  local options=(-Duser.home="$HOME")
  if native_is_off; then
    options+=(-Dinfonce.native.skip=true -Dinfonce.test.jvm=-Dinfonce.native=off)
  fi
  mvn -B -ntp -f "$root/pom.xml" "${options[@]}" "$@"
}

# build_java MODULE: its jar, those it depends on, and its class path, unless nothing has changed; asks for the tools that
# this takes.
build_java() {
  local module=$1 stamp="$root/build/stamps/${1//\//-}" now profile=()
  mkdir -p "$root/build/stamps"
  exec 9>"$root/build/stamps/lock"
  flock 9
  now=$(fingerprint "$module")
  if [[ ! -r $stamp || $(<"$stamp") != "$now" ]] || ! classpath_is_whole "$module"; then
    rm -f "$stamp"
    need_tools mvn
    need_native_tools
    [[ $module == bench/peers ]] && profile=(-Ppeers)
    logged "build-${module//\//-}" "building $module" maven "${profile[@]}" -pl "$module" -am package -Dmaven.test.skip=true 9>&- || exit 1
    printf '%s\n' "$now" >"$stamp"
  fi
  exec 9>&-
}

# What --device names among the options, if it is there.
device_option() {
  printf '%s\n' "$@" | sed -n -e '/^--device$/{n;p}' -e 's/^--device=//p'
}

# build_device_library OPTION...: the library of the device that --device names, where the jars come without; needs gpu.sh.
# Without a driver there is nothing to compile CUDA for, and the command says so.
build_device_library() {
  native_is_off && return
  case $(device_option "$@") in
    emulated) build_quietly infonce_emulated ;;
    cuda)
      [[ -e /proc/driver/nvidia/version ]] || return 0
      probe_gpu 0
      build_for_gpu infonce_cuda
      ;;
  esac
}

# run_java MODULE MAIN_CLASS ARGUMENT...: becomes that program, in the caller's working directory. Java alone would look the
# home folder up in the user database, whatever $HOME says.
run_java() {
  local module=$1 main_class=$2
  local options=(--enable-native-access=ALL-UNNAMED -Djava.awt.headless=true -Duser.home="$HOME")
  shift 2
  if native_is_off; then
    options+=(-Dinfonce.native=off)
  fi
  local archive=classes
  if native_is_off || [[ $module == bench || $(device_option "$@") == java ]]; then
    # For the device java only, as Java warns of the module on every start.
    options+=(--add-modules jdk.incubator.vector)
    archive=classes-vectors
  fi
  if [[ $module == java/cli ]]; then
    # Classes as the last run left them, since these commands are short; Java remakes the file when a jar has changed.
    options+=(-XX:+AutoCreateSharedArchive "-XX:SharedArchiveFile=$root/build/stamps/$archive.jsa" -Xlog:cds=off -Xlog:cds+dynamic=off)
  fi
  exec "$JAVA_HOME/bin/java" "${options[@]}" -cp "$(classpath_of "$module")" "$main_class" "$@"
}
