#!/usr/bin/env bash
# Shows that a change of the code changes no number; see usage.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=tools/lib/common.sh
source "$root/tools/lib/common.sh"
# shellcheck source=tools/lib/build.sh
source "$root/tools/lib/build.sh"
# shellcheck source=tools/lib/gpu.sh
source "$root/tools/lib/gpu.sh"

usage() {
  cat <<'END_OF_USAGE'
Usage: tools/digests.sh record TABLE [OPTION...]
       tools/digests.sh compare TABLE [OTHER_TABLE] [OPTION...]

A table has a line a case and pass: device, loss, similarity, types, sizes, temperature and options, then a digest of each
output (loss, metrics, gradients), in which every NaN counts as the same. `record` writes it; `compare` computes it again, or
reads OTHER_TABLE, and prints the lines that differ. Bits may differ between processors and compilers, so both tables are for
one machine.

  --only DEVICE        cpu (every instruction set of this machine, 1 and 2 threads), emulated (kernels of compute capability
                       75 and 80) or java (plain loops, and vectors); may be given more than once. All by default
  --cases WORD         only cases whose name contains WORD, such as NT-Xent or 'float16 to'
  --capability N       emulated: of this compute capability instead; may be given more than once
  --libraries DIR      where libinfonce.so and libinfonce_emulated.so are, instead of building them
  --classpath PATH     Java classes of bindings and java/core, instead of building them
  --program PATH       infonce_digests, instead of building it

Exit code: 0 done, or no difference; 1 something differs or failed; 2 wrong usage.
END_OF_USAGE
}

DEVICES=()
CASES=''
CAPABILITIES=()
LIBRARIES=''
CLASSPATH=''
PROGRAM=''
WORDS=()
SCRATCH=''
PARTS=0

wrong() {
  say "infonce digests: $1 (see tools/digests.sh --help)"
  exit 2
}

parse() {
  while (($#)); do
    case $1 in
      --only | --cases | --capability | --libraries | --classpath | --program)
        [[ $# -ge 2 ]] || wrong "$1 takes a value"
        case $1 in
          --only) DEVICES+=("$2") ;;
          --cases) CASES=$2 ;;
          --capability) CAPABILITIES+=("$2") ;;
          --libraries) LIBRARIES=$(realpath -- "$2") ;;
          --classpath) CLASSPATH=$2 ;;
          --program) PROGRAM=$(realpath -- "$2") ;;
        esac
        shift
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      -*) wrong "unknown option '$1'" ;;
      *) WORDS+=("$1") ;;
    esac
    shift
  done
  ((${#DEVICES[@]})) || DEVICES=(cpu emulated java)
  ((${#CAPABILITIES[@]})) || CAPABILITIES=(75 80)
  local device
  for device in "${DEVICES[@]}"; do
    [[ $device =~ ^(cpu|emulated|java)$ ]] || wrong "--only must be cpu, emulated or java, but is '$device'"
  done
}

chosen() {
  printf '%s\n' "${DEVICES[@]}" | grep -qx "$1"
}

# What has to be built for the devices chosen.
build() {
  local targets=()
  if chosen cpu || chosen emulated; then
    [[ -n $PROGRAM ]] || targets+=(infonce_digests)
    if [[ -z $LIBRARIES ]]; then
      ! chosen cpu || targets+=(infonce)
      ! chosen emulated || targets+=(infonce_emulated)
    fi
    ((${#targets[@]} == 0)) || build_quietly "${targets[@]}"
    PROGRAM=${PROGRAM:-$GPU_BUILD/infonce_digests}
    LIBRARIES=${LIBRARIES:-$GPU_BUILD}
  fi
  if chosen java; then
    need_jdk
    if [[ -z $CLASSPATH ]]; then
      need_tools mvn
      logged build-java-core 'building java/core' maven -pl java/core -am compile -Dinfonce.native.skip=true || exit 1
      CLASSPATH=$root/bindings/target/classes:$root/java/core/target/classes
    fi
  fi
}

# part COMMAND...: in the background, when a processor is free.
part() {
  local file=$SCRATCH/$((++PARTS)).part
  while (($(jobs -rp | wc -l) >= $(nproc))); do
    wait -n || true
  done
  ("$@" >"$file" 2>"$file.log" || mv "$file.log" "$file.failed") &
}

on_cpu() {
  part "$PROGRAM" --device cpu --library "$LIBRARIES/libinfonce.so" --only "$CASES" "$@"
}

on_java() {
  part "$JAVA_HOME/bin/java" -Dinfonce.native=off -cp "$CLASSPATH" "${@:2}" "$root/tools/Digests.java" "$1" "$CASES"
}

# write TABLE: the slowest first.
write() {
  local capability isa failed
  build
  if chosen emulated; then
    for capability in "${CAPABILITIES[@]}"; do
      part "$PROGRAM" --device emulated --library "$LIBRARIES/libinfonce_emulated.so" --capability "$capability" --only "$CASES"
    done
  fi
  if chosen java; then
    on_java plain
    on_java vectors --add-modules jdk.incubator.vector
  fi
  if chosen cpu; then
    for isa in 1 2 3; do
      on_cpu --isa "$isa" --threads 1
      on_cpu --isa "$isa" --threads 2 --brief
    done
  fi
  wait
  for failed in "$SCRATCH"/*.failed; do
    [[ ! -r $failed ]] || die "$(tail -n 3 "$failed")"
  done
  # A processor without an instruction set computes with the one below, again.
  LC_ALL=C sort -u -o "$1" "$SCRATCH"/*.part
}

# differences BEFORE AFTER: of the devices and cases chosen; the key of a line ends with its last colon.
differences() {
  awk -v devices=" ${DEVICES[*]} " -v cases="$CASES" '
    {
      match($0, /^.*: /)
      key = substr($0, 1, RLENGTH - 2)
      value = substr($0, RLENGTH + 1)
      name = key
      sub(/^[^:]*: /, "", name)
      sub(/, [^,]*$/, "", name)
      if (!index(devices, " " $1 " ") || (cases != "" && !index(name, cases))) next
    }
    NR == FNR {
      before[key] = value
      next
    }
    !(key in before) {
      print "new: " key
      added++
      next
    }
    before[key] == value {
      equal++
      delete before[key]
      next
    }
    {
      count = split(before[key], old)
      split(value, new)
      what = ""
      for (i = 1; i <= count; i++) if (old[i] != new[i]) what = what " " (old[i - 1] ~ /^[a-z_]+$/ ? old[i - 1] : old[i])
      print "different: " key ":" what
      different++
      delete before[key]
    }
    END {
      for (key in before) {
        print "missing: " key
        missing++
      }
      printf "%d equal, %d different, %d missing, %d new\n", equal, different, missing, added
      exit different + missing + added > 0 || equal == 0
    }' "$1" "$2"
}

main() {
  parse "$@"
  local verb=${WORDS[0]:-} table=${WORDS[1]:-} other=${WORDS[2]:-}
  SCRATCH=$(mktemp -d)
  trap 'rm -rf "$SCRATCH"' EXIT
  case $verb,${#WORDS[@]} in
    record,2)
      write "$table"
      say "infonce: $(wc -l <"$table") lines in $table"
      ;;
    compare,2 | compare,3)
      [[ -r $table ]] || die "cannot read $table"
      if [[ -z $other ]]; then
        other=$SCRATCH/table
        write "$other"
      fi
      differences "$table" "$other"
      ;;
    *) wrong "record TABLE, or compare TABLE [OTHER_TABLE], is wanted" ;;
  esac
}

main "$@"
