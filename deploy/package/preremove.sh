#!/bin/sh
# Before removing, but not before upgrading. dpkg says "remove", rpm says 0.
set -e
[ -d /run/systemd/system ] || exit 0
case "$1" in
# Who installs the package again finds the service as it was.
remove) systemctl stop hubgate.service ;;
0 | '') systemctl disable --now hubgate.service ;;
esac
