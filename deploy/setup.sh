#!/usr/bin/env bash
# Installs what building and the demo need and this machine lacks, on Debian and its kin. It installs nothing that is
# there, and says what it installs. Rust itself it leaves to you. With the argument `tests` it also installs what only the
# end-to-end tests need: to cut networks in namespaces of their own, and real clients.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}

need c++ build-essential
need clang clang
need ccache ccache
need curl curl
if [[ ${1:-} == tests ]]; then
    need ip iproute2
    need nft nftables
    # The clients of tests/clients.rs; what they need beyond that they install from their own registries.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    need node nodejs
    need npm npm
    need syslog-ng syslog-ng-core
    compgen -G '/usr/lib/syslog-ng/*/libhttp.so' >/dev/null || missing+=(syslog-ng-mod-http)
fi
# RocksDB's bindings are made with libclang at build time. libclang-cpp is something else.
compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null ||
    compgen -G '/usr/lib/*/libclang-[0-9]*.so*' >/dev/null ||
    missing+=(libclang-dev)

if ((${#missing[@]})); then
    if ! command -v apt-get >/dev/null; then
        echo "These are missing, and this machine has no apt-get to install them with: ${missing[*]}." >&2
        echo "Install them in this system's own way (the names are Debian's), then run make again." >&2
        exit 1
    fi
    install=(apt-get)
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            echo "These are missing: ${missing[*]}. Run as root: apt-get install ${missing[*]}" >&2
            exit 1
        fi
        install=(sudo apt-get)
    fi
    echo "Installing what is missing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" update -qq </dev/null
    "${install[@]}" install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: https://rustup.rs says how to install it. Then run make again." >&2
    exit 1
fi
