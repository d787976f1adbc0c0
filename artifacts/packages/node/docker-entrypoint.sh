#!/bin/sh
set -e
# Options, and what is no command, are for node.
if [ "${1#-}" != "$1" ] || ! command -v "$1" > /dev/null 2>&1; then
  set -- node "$@"
fi
exec "$@"
