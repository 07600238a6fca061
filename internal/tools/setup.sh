#!/usr/bin/env bash
# Installs what Gatehouse needs from the system, if it is missing:
#   setup.sh postgres [chromium] [redis]
# Does nothing, and needs no network, where everything is there.
set -eu -o pipefail

find_postgres() {
  command -v postgres >/dev/null 2>&1 && command -v initdb >/dev/null 2>&1 && return 0
  local dir
  for dir in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /opt/homebrew/bin /usr/local/bin; do
    [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] && return 0
  done
  return 1
}

find_chromium() {
  local name
  for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && return 0
  done
  [ -d "/Applications/Chromium.app" ] || [ -d "/Applications/Google Chrome.app" ]
}

# The server's program alone: tests start their own on a free port.
find_redis() { command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1; }

missing=()
for part in "$@"; do
  case "$part" in
    postgres) find_postgres || missing+=(postgres) ;;
    chromium) find_chromium || missing+=(chromium) ;;
    redis) find_redis || missing+=(redis) ;;
    *) echo "setup.sh: unknown part $part" >&2; exit 2 ;;
  esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

if command -v apt-get >/dev/null 2>&1; then
  packages=()
  for part in "${missing[@]}"; do
    case "$part" in
      postgres) packages+=(postgresql) ;;
      chromium) packages+=(chromium) ;;
      redis) packages+=(redis-server) ;;
    esac
  done
  by_hand="sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      printf 'gatehouse: %s missing and no right to install it. Type this, then start again:\n  %s\n' "${missing[*]}" "$by_hand" >&2
      exit 1
    fi
  fi
  echo "gatehouse: installing ${packages[*]} with apt-get" >&2
  # No cluster of Debian's own is made or started: Gatehouse runs its own.
  "${as_root[@]}" mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
  # Nor is a Redis of Debian's own started, now or with the system: while it is
  # installed its service is masked, then it is disabled.
  masked=
  unit=/etc/systemd/system/redis-server.service
  if [[ " ${missing[*]} " = *" redis "* && ! -e $unit && ! -L $unit ]]; then
    masked=yes
    "${as_root[@]}" mkdir -p /etc/systemd/system
    "${as_root[@]}" ln -s /dev/null "$unit"
  fi
  unmask() {
    [ -n "$masked" ] || return 0
    masked=
    "${as_root[@]}" rm -f "$unit"
    if command -v systemctl >/dev/null 2>&1; then
      "${as_root[@]}" systemctl disable --quiet redis-server.service
    elif command -v update-rc.d >/dev/null 2>&1; then
      "${as_root[@]}" update-rc.d redis-server disable
    fi >/dev/null 2>&1 || true
  }
  install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "${packages[@]}" </dev/null
  }
  log=$(mktemp)
  trap 'unmask; rm -f "$log"' EXIT
  if ! { install || { "${as_root[@]}" apt-get update && install; }; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    printf 'gatehouse: apt-get did not install %s. Mend what it says, or type:\n  %s\n' "${packages[*]}" "$by_hand" >&2
    exit 1
  fi
elif command -v brew >/dev/null 2>&1; then
  for part in "${missing[@]}"; do
    case "$part" in
      postgres) brew install postgresql@17 >&2 ;;
      chromium) brew install --cask chromium >&2 ;;
      redis) brew install redis >&2 ;;
    esac
  done
else
  printf 'gatehouse: %s missing, and neither apt-get nor brew is here. Install it (PostgreSQL 14 or newer: postgres and initdb on PATH; Chromium on PATH; redis-server or valkey-server on PATH) and start again.\n' "${missing[*]}" >&2
  exit 1
fi
