package restapi

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
)

// address says which connections of which hub a request is about. A value
// with an err is passed on like any other; whoever uses it at last looks.
type address struct {
	// hub is the hub's key.
	hub    string
	target gateway.Target
	// err is the first thing that is not valid.
	err error
}

// maxName is the longest group name, and the longest user id where there is a bound, in characters.
const maxName = 1024

// at is the hub of the name, which the application prefixes if there is one (R14).
func at(hub, application string) address {
	key, err := hubname.Key(application, hub)
	switch {
	case err == nil:
		return address{hub: key}
	case application == "" || hubname.Check(hub) != nil:
		return address{err: invalid(ErrorDetailTargetRequest, "The hub's name is not valid: "+hubname.Rule+".")}
	default:
		return address{err: invalid(ErrorDetailTargetRequest, "The application's name, or what it makes with the hub's, is not valid: "+hubname.Rule+".")}
	}
}

// all are the hub's connections but the excluded ones.
func (a address) all(excluded []string) address {
	a.target = gateway.Target{Kind: gateway.TargetAll, Except: excluded}
	return a
}

// connection is the one connection of this id.
func (a address) connection(id string) address {
	if a.err == nil && !utf8.ValidString(id) {
		a.err = invalid(ErrorDetailTargetConnection, "The connection id is not valid.")
	}
	a.target = gateway.Target{Kind: gateway.TargetConnections, IDs: []string{id}}
	return a
}

// group are the group's connections but the excluded ones.
func (a address) group(name string, excluded []string) address {
	if a.err == nil {
		a.err = checkGroup(name)
	}
	a.target = gateway.Target{Kind: gateway.TargetGroups, IDs: []string{name}, Except: excluded}
	return a
}

// user are the user's connections.
func (a address) user(id string) address {
	if a.err == nil && (id == "" || !utf8.ValidString(id)) {
		a.err = invalid(ErrorDetailTargetUser, "The user id is not valid.")
	}
	a.target = gateway.Target{Kind: gateway.TargetUsers, IDs: []string{id}}
	return a
}

// shortUser is user for the operation that bounds the id.
func (a address) shortUser(id string, excluded []string) address {
	a = a.user(id)
	if a.err == nil && longerThan(id, maxName) {
		a.err = invalid(ErrorDetailTargetUser, "The user id is longer than 1024 characters.")
	}
	a.target.Except = excluded
	return a
}

// checkGroup accepts 1 to 1024 characters that are not all white space (R15).
func checkGroup(name string) error {
	switch {
	case !utf8.ValidString(name):
		return invalid(ErrorDetailTargetGroup, "The group's name is not valid.")
	case longerThan(name, maxName):
		return invalid(ErrorDetailTargetGroup, "The group's name is longer than 1024 characters.")
	case strings.IndexFunc(name, isInk) < 0:
		return invalid(ErrorDetailTargetGroup, "The group's name is blank.")
	}
	return nil
}

func isInk(r rune) bool { return !unicode.IsSpace(r) }

func longerThan(s string, characters int) bool {
	return len(s) > characters && utf8.RuneCountInString(s) > characters
}
