# shellcheck shell=bash
# The options of the scripts in tools/; needs common.sh. The caller sets $COMMAND, such as 'infonce test', and has `usage`.

declare -A OPTION=() FLAG=()

# wrong WHAT: ends with the exit code of wrong usage.
wrong() {
  say "$COMMAND: $1 (see ./$COMMAND --help)"
  exit 2
}

# parse_options VALUES FLAGS WORD...: OPTION[name] is the value of --name where VALUES lists the name, and FLAG[name] is set for
# a flag that was given. --library becomes an absolute path, since builds work in folders of their own.
parse_options() {
  local values=" $1 " flags=" $2 " name value
  shift 2
  while (($#)); do
    name=${1%%=*}
    name=${name#--}
    if [[ $1 == -h || $1 == --help ]]; then
      usage
      exit 0
    elif [[ $1 == --* && $flags == *" ${1#--} "* ]]; then
      FLAG[$name]=true
    elif [[ $1 != --* || $values != *" $name "* ]]; then
      wrong "unknown option '$1'"
    else
      if [[ $1 == *=* ]]; then
        value=${1#*=}
      else
        [[ $# -ge 2 ]] || wrong "$1 takes a value"
        value=$2
        shift
      fi
      if [[ $name == library ]]; then
        value=$(realpath -- "$value")
      fi
      OPTION[$name]=$value
    fi
    shift
  done
}

# one_of OPTION VALUE WORD...: wrong usage unless the value is one of the words.
one_of() {
  local option=$1 value=$2 word allowed=''
  shift 2
  for word in "$@"; do
    [[ $value != "$word" ]] || return 0
    allowed+="${allowed:+, }$word"
  done
  # The last comma is an "or".
  [[ $# -eq 1 ]] || allowed="${allowed%, *} or ${allowed##*, }"
  wrong "$option must be $allowed, but is '$value'"
}

# options_given NAME...: those of these options that were given, as words of a command line in GIVEN.
options_given() {
  local name
  GIVEN=()
  for name in "$@"; do
    if [[ -v FLAG[$name] ]]; then
      GIVEN+=("--$name")
    elif [[ -v OPTION[$name] ]]; then
      GIVEN+=("--$name" "${OPTION[$name]}")
    fi
  done
}
