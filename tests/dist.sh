#!/usr/bin/env bash
# Install an archive into a fresh venv outside the checkout and run the tests that the sdist beside
# it carries:  tests/dist.sh python3 dist/tractable-0.1.0.tar.gz
set -euo pipefail
python=$1 archive=$(realpath "$2")
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

tar -xf "$(dirname "$archive")"/*.tar.gz -C "$room" --strip-components=1
"$python" -m venv "$room/.venv"
"$room/.venv/bin/pip" install --quiet --quiet "$archive[test,peers]"
cd "$room"
.venv/bin/pytest -m "not slow"
