#!/bin/sh
# Builds and becomes the Go service; where Go is not installed, the same service in Python stands in.
set -eu
if command -v go >/dev/null 2>&1; then
  binary="${XDG_CACHE_HOME:-$HOME/.cache}/heddle/polyglot-ratings"
  if (cd ratings && GOFLAGS=-mod=mod GOTOOLCHAIN=local go build -o "$binary" .); then
    exec "$binary"
  fi
  echo 'ratings: the Go service does not build here: running it in Python' >&2
else
  echo 'ratings: Go is not installed: running it in Python' >&2
fi
exec python3 ratings.py
