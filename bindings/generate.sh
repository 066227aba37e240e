#!/usr/bin/env bash
# Regenerates the Java bindings from native/include/infonce.h.
# Needs jextract (https://jdk.java.net/jextract/) for JDK 25, as $JEXTRACT or on PATH.
# Run it after every change of the header, and commit what it writes; a test fails until then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jextract=${JEXTRACT:-jextract}
command -v "$jextract" >/dev/null || {
  echo "generate.sh: no '$jextract': put jextract on PATH or set JEXTRACT (see https://jdk.java.net/jextract/)" >&2
  exit 1
}

header=native/include/infonce.h
package=dev.infonce.bindings
sources=bindings/src/main/java/dev/infonce/bindings
sums=bindings/src/main/resources/dev/infonce/bindings
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Only names of our own: nothing that the system's headers bring along.
"$jextract" --dump-includes "$scratch/all" "$header"
grep -E '^--include-[a-z]+ (nce|NCE)_' "$scratch/all" | sed 's/ *#.*//' >"$scratch/ours"
"$jextract" "@$scratch/ours" --target-package "$package" --output "$scratch/java" "$header"

mkdir -p "$sources" "$sums"
find "$sources" -maxdepth 1 -name '*.java' -delete
cp "$scratch"/java/dev/infonce/bindings/*.java "$sources/"
sha256sum <"$header" | cut -d' ' -f1 >"$sums/infonce.h.sha256"
(cd "$sources" && sha256sum -- *.java) >"$sums/generated.sha256"
echo "generate.sh: wrote $(find "$sources" -maxdepth 1 -name '*.java' | wc -l) files to $sources"
