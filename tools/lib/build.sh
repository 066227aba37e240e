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

# Where Maven keeps what it fetches: the user's own repository, or another where that cannot be written to.
maven_repository() {
  local repository=$HOME/.m2/repository
  # Its jars are on the class path, whose entries ':' parts.
  if [[ $HOME == *:* ]] || ! mkdir -p "$repository" 2>/dev/null || [[ ! -w $repository ]]; then
    repository=$(temporary_home)/maven || return 1
  fi
  printf '%s\n' "$repository"
}

maven() {
  local repository
  repository=$(maven_repository) || return 1
  # CMake reads the variable; Maven's build and this project's own share build/native.
  if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
  fi
  local options=(-Duser.home="$HOME" "-Dmaven.repo.local=$repository")
  if native_is_off; then
    options+=(-Dinfonce.native.skip=true -Dinfonce.test.jvm=-Dinfonce.native=off)
  fi
  mvn -B -ntp -f "$root/pom.xml" "${options[@]}" "$@"
}

# Whether this user may build here: not in a folder that is another's, or mounted to be read only.
can_build() {
  local folder=$root/$1/target
  [[ -d $folder ]] || folder=$root/$1
  mkdir -p "$root/build/stamps" 2>/dev/null && [[ -w $root/build/stamps && -w $folder ]] &&
    [[ ! -e $root/build/stamps/lock || -w $root/build/stamps/lock ]]
}

# use_as_built MODULE STAMP: what is there, where nothing can be built.
use_as_built() {
  local newer
  classpath_is_whole "$1" ||
    die "$1 is not built, and $(id -un 2>/dev/null || id -u) cannot write to $root; build it there as its owner, with ./infonce doctor"
  newer=$(cd "$root" && sources_of "$1" | xargs -I{} find {} -name target -prune -o -type f -newer "$2" -print -quit 2>/dev/null) || true
  if [[ -n $newer ]]; then
    say "infonce: running $1 as it was built, before ${newer%%$'\n'*} changed, as $root cannot be written to"
  fi
}

# keep_jars MODULE: makes the command independent of the repository of the user who built it, which others may not be able to
# read. Benchmarks are run by who builds them.
keep_jars() {
  local module=$1 folder="$root/$1/target/lib" entry kept number=0 entries=()
  [[ $module == java/* ]] || return 0
  rm -rf "$folder"
  mkdir -p "$folder"
  IFS=: read -r -a entries <"$root/$module/target/classpath.txt" || true
  kept=''
  for entry in "${entries[@]}"; do
    if [[ $entry != "$root"/* ]]; then
      number=$((number + 1))
      ln "$entry" "$folder/$number-${entry##*/}" 2>/dev/null || cp "$entry" "$folder/$number-${entry##*/}"
      entry=$folder/$number-${entry##*/}
    fi
    kept+=${kept:+:}$entry
  done
  printf '%s' "$kept" >"$root/$module/target/classpath.txt"
}

# build_java MODULE: its jar, those it depends on, and its class path, unless nothing has changed; asks for the tools that
# this takes.
build_java() {
  local module=$1 stamp="$root/build/stamps/${1//\//-}" now profile=()
  if ! can_build "$module"; then
    use_as_built "$module" "$stamp"
    return
  fi
  exec 9>"$root/build/stamps/lock"
  flock 9
  now=$(fingerprint "$module")
  if [[ ! -r $stamp || $(<"$stamp") != "$now" ]] || ! classpath_is_whole "$module"; then
    rm -f "$stamp"
    need_tools mvn
    need_native_tools
    [[ $module == bench/peers ]] && profile=(-Ppeers)
    logged "build-${module//\//-}" "building $module" maven "${profile[@]}" -pl "$module" -am package -Dmaven.test.skip=true 9>&- || exit 1
    keep_jars "$module"
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
  # Where nothing can be built, what is there is used, and else missed with its reason.
  [[ ! -d $GPU_BUILD || -w $GPU_BUILD ]] || return 0
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
    options+=("-XX:SharedArchiveFile=$root/build/stamps/$archive.jsa" -Xlog:cds=off -Xlog:cds+dynamic=off)
    if [[ -w $root/build/stamps ]]; then
      options+=(-XX:+AutoCreateSharedArchive)
    fi
  fi
  # OpenMP, which PyTorch computes with, reads it once: its threads sleep while they wait, instead of taking a processor from
  # the loss and the views.
  export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
  exec "$JAVA_HOME/bin/java" "${options[@]}" -cp "$(classpath_of "$module")" "$main_class" "$@"
}
