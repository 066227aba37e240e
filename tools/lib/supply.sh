# shellcheck shell=bash
# What a build takes from outside, as a step of a test run; needs common.sh and build.sh.

: "${root:?}"

# Maven by itself only warns of an artifact whose checksum is wrong, and then uses it.
wrong_checksum_is_refused() {
  local scratch out code=0
  scratch=$(mktemp -d)
  mkdir -p "$scratch/remote/com/example/parent/1"
  cp -r "$root/.mvn" "$scratch/.mvn"
  pom parent pom '' >"$scratch/remote/com/example/parent/1/parent-1.pom"
  printf '%040d' 0 >"$scratch/remote/com/example/parent/1/parent-1.pom.sha1"
  pom child pom "
  <parent><groupId>com.example</groupId><artifactId>parent</artifactId><version>1</version><relativePath/></parent>
  <repositories><repository><id>scratch</id><url>file://$scratch/remote</url></repository></repositories>" >"$scratch/pom.xml"
  out=$(mvn -B -ntp -f "$scratch/pom.xml" "-Dmaven.repo.local=$scratch/local" validate 2>&1 </dev/null) || code=$?
  rm -rf "$scratch"
  if ((code == 0)) || ! grep -q 'Checksum validation failed' <<<"$out"; then
    printf '%s\nexpected: Checksum validation failed\n' "$out"
    return 1
  fi
  grep -m 1 -oE 'Checksum validation failed[^;]*' <<<"$out"
}

# pom NAME PACKAGING MORE
pom() {
  printf '<project><modelVersion>4.0.0</modelVersion>%s\n<groupId>com.example</groupId><artifactId>%s</artifactId>%s</project>\n' \
    "$3" "$1" "<version>1</version><packaging>$2</packaging>"
}
