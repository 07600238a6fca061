#!/usr/bin/env bash
# Regenerates committed code with the pinned tools.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
go run -C internal/tools ./protogen -I ../../pluginspec -tools go.mod mail/v1/mail.proto social/v1/social.proto
(cd services/graph && go tool -modfile=../../internal/tools/go.mod gqlgen generate --config gqlgen.yml)
