#!/bin/sh
# Before removing, but not before upgrading. dpkg says "remove", rpm says 0, apk nothing.
set -e
case "${1:-remove}" in
remove | 0)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now hubgate.service
    fi
    ;;
esac
