package settings

import (
	"errors"
	"strings"

	"github.com/hubgate/hubgate/secret"
)

// CheckChange returns nil, or why a running gateway does not go from old to
// next although next is valid by itself. A file that is being written, or was
// cut off by a full disk, may say less than was meant: it must never weaken the
// keys that are in force.
func CheckChange(old, next *Settings) error {
	return errors.Join(
		checkNoEmulatorKey(old.Keys, next.Keys),
		checkNotCutOff("accessKey", next.Keys.Primary, old.Keys),
		checkNotCutOff("secondaryKey", next.Keys.Secondary, old.Keys),
	)
}

// checkNoEmulatorKey keeps a gateway that has keys of its own from taking the
// one that everybody knows.
func checkNoEmulatorKey(old, next Keys) error {
	if old.HasEmulatorKey() || !next.HasEmulatorKey() {
		return nil
	}
	return errors.New("accessKey: a running gateway that has a key of its own does not change to the emulator's, which everybody knows; to do so, restart it")
}

// checkNotCutOff refuses a key that is only the beginning of one in force.
func checkNotCutOff(name string, key secret.Text, inForce Keys) error {
	for _, whole := range inForce.All() {
		if key != "" && key != whole && strings.HasPrefix(string(whole), string(key)) {
			return errors.New(name + ": is only the beginning of a key in force, as if the file was cut off")
		}
	}
	return nil
}
