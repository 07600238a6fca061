#!/usr/bin/env bash
# Runs the tests of each module given as test2json lines, for gotestsum.
set -u
failed=0
for module in "$@"; do
  (cd "$module" && go test -json -race -timeout 9m ./...) || failed=1
done
exit $failed
