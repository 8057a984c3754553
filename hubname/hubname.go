// Package hubname holds the one rule for the names of hubs. Every way in (client and server
// endpoints, the REST API, the configuration, commands and the library for hub servers) asks
// it, so that a name that one of them takes is good everywhere.
package hubname

import (
	"errors"
	"strings"
)

// MaxBytes is the longest name, with the application's name in front if there is one.
const MaxBytes = 128

// Rule states what a name is, to follow a colon in an error. The rarer characters are those of
// generic type names of .NET, which become hubs' names (R13).
const Rule = "a letter, then letters, digits and _ (or one of `,.[]); no hyphen; at most 128 characters, with the application's name in front if there is one"

// ErrInvalid is the one error of this package.
var ErrInvalid = errors.New("not the name of a hub: " + Rule)

// Check returns nil for ^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}$ and otherwise ErrInvalid. The name
// of an application obeys the same rule.
func Check(name string) error {
	if name == "" || len(name) > MaxBytes || !isLetter(name[0]) {
		return ErrInvalid
	}
	for i := 1; i < len(name); i++ {
		if c := name[i]; !isLetter(c) && (c < '0' || c > '9') && strings.IndexByte("_`,.[]", c) < 0 {
			return ErrInvalid
		}
	}
	return nil
}

// Key returns the name by which the gateway knows a hub: in lower case, with the application's
// name and an underscore in front unless that is empty (R14). It returns ErrInvalid if one of
// the names or what they make together breaks the rule.
func Key(application, hub string) (string, error) {
	if err := Check(hub); err != nil {
		return "", err
	}
	if application == "" {
		return strings.ToLower(hub), nil
	}
	joined := application + "_" + hub
	if err := errors.Join(Check(application), Check(joined)); err != nil {
		return "", ErrInvalid
	}
	return strings.ToLower(joined), nil
}

// ApplicationPrefix begins the keys of applications. No name of a hub has a colon.
const ApplicationPrefix = "aspnet:"

// ApplicationKey returns the name by which the gateway knows the hubs of an application of ASP.NET
// SignalR, all of which a client's one connection may use. The letter case of the application's
// name does not count. It returns ErrInvalid if the name breaks the rule.
func ApplicationKey(application string) (string, error) {
	if err := Check(application); err != nil {
		return "", err
	}
	return ApplicationPrefix + strings.ToLower(application), nil
}

// Application returns the name of an application, in lower case, from its key. It is false for the
// key of a hub of ASP.NET Core SignalR.
func Application(key string) (application string, ok bool) {
	return strings.CutPrefix(key, ApplicationPrefix)
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
