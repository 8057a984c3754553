#!/bin/sh
# After removing. "dpkg --purge" also takes the key and what was kept.
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
if [ "$1" = purge ]; then
    rm -rf /etc/hubgate/keys /var/lib/hubgate /etc/systemd/system/multi-user.target.wants/hubgate.service
fi
