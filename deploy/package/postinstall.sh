#!/bin/sh
# After installing and upgrading: the user, the access key, the service. Called by dpkg, rpm and apk.
set -e

if ! getent group hubgate >/dev/null 2>&1; then
    if command -v systemd-sysusers >/dev/null 2>&1; then
        systemd-sysusers /usr/lib/sysusers.d/hubgate.conf
    elif command -v useradd >/dev/null 2>&1; then
        groupadd --system hubgate
        useradd --system --gid hubgate --home-dir /var/lib/hubgate --no-create-home --shell /usr/sbin/nologin hubgate
    else
        addgroup -S hubgate
        adduser -S -D -H -h /var/lib/hubgate -s /sbin/nologin -G hubgate hubgate
    fi
fi

# A random key. One that is there stays.
if [ ! -e /etc/hubgate/keys ]; then
    (umask 077 && printf 'HUBGATE_ACCESS_KEY=%s\n' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')" >/etc/hubgate/keys)
fi

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # dpkg passes the version that was installed before, rpm how many versions are installed.
    # A package that was removed, but not purged, has a version too, and its service is still enabled.
    if [ "$1" = configure ] && [ -z "$2" ]; then
        systemctl enable --now hubgate.service
    elif [ "$1" = configure ] && systemctl is-enabled --quiet hubgate.service; then
        systemctl restart hubgate.service
    else
        systemctl try-restart hubgate.service
    fi
fi
