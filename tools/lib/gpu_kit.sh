# shellcheck shell=bash
# The kit: what tools/gpu-day.sh takes along to a machine that has neither a JDK nor a registry. Needs common.sh, build.sh and
# gpu.sh; $KIT is its folder.

: "${root:?}"
readonly GPU_DAY_BUILD="$root/build/gpu-native"
readonly KIT_LIMIT_MB=60

# hash_of FOLDER...: of names and content, so that a copy has the same.
hash_of() (
  cd "$root" && find "$@" -name target -prune -o -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
)

hash_of_native() {
  hash_of CMakeLists.txt cmake native/CMakeLists.txt native/exports.map native/include native/src native/oracle native/selftest \
    native/bench/cuda
}

hash_of_java() {
  hash_of native/include bindings java/core
}

# kit_says NAME: what the kit was made from.
kit_says() {
  sed -n "s/^$1 //p" "$KIT/made-from.txt" 2>/dev/null
}

# The commit of these sources: git's word, or the kit's where there is no repository.
commit_of_kit() {
  local commit
  commit=$(commit_of_sources)
  if [[ $commit == unknown ]]; then
    commit=$(kit_says commit)
    [[ -z $commit || $(kit_says native) == "$(hash_of_native)" ]] || commit+=', changed'
  fi
  printf '%s\n' "${commit:-unknown}"
}

# build_on_the_spot: library, self-test and benchmark for the GPU that is there, or for Hopper; without nvcc, and so in a
# rehearsal, the CPU backend alone.
build_on_the_spot() {
  local nvcc capability options=() targets=(infonce_cuda infonce_cuda_bench infonce_selftest)
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
  [[ $capability =~ ^[0-9]+$ ]] || capability=90
  if nvcc=$(nvcc_path); then
    options=(-DINFONCE_CUDA=ON "-DINFONCE_NVCC=$nvcc" "-DINFONCE_CUDA_ARCHITECTURES=$capability-real")
  else
    echo 'nvcc is not there: the CPU backend alone'
    targets=(infonce infonce_selftest)
  fi
  if [[ ! -r $GPU_DAY_BUILD/CMakeCache.txt ]] && command -v ninja >/dev/null; then
    options+=(-G Ninja)
  fi
  # Programs go to machines with other C++ libraries.
  cmake -S "$root" -B "$GPU_DAY_BUILD" -DCMAKE_BUILD_TYPE=Release -DINFONCE_TESTS=OFF -DINFONCE_BENCHMARKS=OFF -DINFONCE_EMULATION=OFF \
    -DINFONCE_WARNINGS_ARE_ERRORS=OFF '-DCMAKE_EXE_LINKER_FLAGS=-static-libstdc++ -static-libgcc' "${options[@]}" &&
    cmake --build "$GPU_DAY_BUILD" --parallel "$(nproc)" --target "${targets[@]}"
}

prepare_native() {
  local file
  need_tools cmake g++ ninja
  nvcc_path >/dev/null || die 'nvcc is not found on PATH or in CUDA_HOME; --no-native prepares the Java part alone'
  logged gpu-kit-native 'building library, self-test and benchmark for Hopper' build_on_the_spot || exit 1
  rm -rf "$KIT/native"
  mkdir -p "$KIT/native"
  for file in libinfonce_cuda.so infonce_selftest infonce_cuda_bench; do
    strip --strip-unneeded -o "$KIT/native/$file" "$GPU_DAY_BUILD/$file"
  done
}

# A runtime of the modules that the tests need, their classes, and the console that runs them.
prepare_java() {
  local folder=$root/build/gpu-java entry name
  need_jdk
  need_tools mvn
  logged gpu-kit-java 'building the Java tests' java_tests_and_console || exit 1
  rm -rf "$folder"
  mkdir -p "$folder/lib"
  # Not compressed, as all of it will be at once.
  logged gpu-kit-runtime 'linking a Java runtime' "$JAVA_HOME/bin/jlink" --add-modules "$JAVA_MODULES" --strip-debug --no-header-files \
    --no-man-pages --compress zip-0 --output "$folder/runtime" || exit 1
  find "$folder/runtime" -name '*.so' -exec strip --strip-unneeded {} +
  rm -rf "$folder/runtime/legal"
  cp -r "$root/java/core/target/classes" "$folder/classes"
  cp -r "$root/bindings/target/classes/." "$folder/classes"
  rm -rf "$folder/classes/META-INF/native"
  cp -r "$root/java/core/target/test-classes" "$folder/tests"
  while IFS= read -r -d : entry; do
    name=${entry##*/}
    # The console brings its own.
    case $name in
      junit-* | opentest4j-* | apiguardian-*) ;;
      *.jar) cp "$entry" "$folder/lib/" ;;
    esac
  done < <(cat "$root/java/core/target/gpu-classpath.txt" && printf ':')
  cp "$root/build/gpu-console/"*.jar "$folder/lib/"
  tar -C "$folder" -czf "$KIT/java.tar.gz" runtime classes tests lib
}

readonly JAVA_MODULES=java.base,java.instrument,java.logging,java.management,java.xml,jdk.incubator.vector,jdk.unsupported

# The console's version is that of JUnit's platform, 1 where that of Jupiter is 5.
java_tests_and_console() {
  local junit plugin=org.apache.maven.plugins:maven-dependency-plugin:3.11.0
  junit=$(sed -n 's:.*<junit.version>5\.\(.*\)</junit.version>.*:\1:p' "$root/pom.xml")
  rm -rf "$root/build/gpu-console"
  maven -pl java/core -am -Dspotless.check.skip=true -Dinfonce.native.skip=true -Dmdep.includeScope=test \
    -Dmdep.outputFile=target/gpu-classpath.txt test-compile "$plugin:build-classpath" &&
    maven -N "$plugin:copy" "-Dartifact=org.junit.platform:junit-platform-console-standalone:1.$junit" \
      "-DoutputDirectory=$root/build/gpu-console"
}

prepare_kit() {
  local megabytes
  mkdir -p "$KIT"
  [[ -v FLAG[no-native] ]] || prepare_native
  prepare_java
  printf '%s\n' "commit $(commit_of_sources)" "native $(hash_of_native)" "java $(hash_of_java)" >"$KIT/made-from.txt"
  find "$KIT" -type f -printf '%9s %P\n' | awk '{ printf "%6.1f MB %s\n", $1 / 1e6, $2 }'
  megabytes=$(find "$KIT" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%d", sum / 1e6 + 1 }')
  ((megabytes < KIT_LIMIT_MB)) || die "$KIT has $megabytes MB; below $KIT_LIMIT_MB can be carried"
  printf '%6d MB in %s\n' "$megabytes" "${KIT#"$root"/}"
}
