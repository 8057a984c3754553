package restapi

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// server holds the handlers behind the generated code: each operation of the
// contract is one of the verbs here, at an address, with the status codes of
// its version.
type server struct{ Options }

var _ StrictServerInterface = (*server)(nil)

// send hands a message over. That nobody is there to get it is no error (R25).
func (s *server) send(ctx context.Context, to address, contentType string, content io.Reader) error {
	if to.err != nil {
		return to.err
	}
	frames, err := message(contentType, content)
	if err != nil {
		return err
	}
	return s.sendFrames(ctx, to, frames)
}

const (
	// CountHeader of a send, with any value, asks how many connections a send is for.
	CountHeader = "X-Hubgate-Count"
	// MatchedHeader of the answer is their number: those that are there right before the message
	// is queued. It costs a look at each of them, so only those pay who ask.
	MatchedHeader = "X-Hubgate-Matched"
)

// count answers the request's question for the number of receivers, if it has one.
func (s *server) count(ctx context.Context, to address) error {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || !c.wants.count {
		return nil
	}
	n, err := s.command(ctx, to, gateway.Command{Verb: gateway.VerbCount})
	if err == nil {
		c.Header().Set(MatchedHeader, strconv.Itoa(n))
	}
	return err
}

// command carries out a verb other than send and returns how many connections
// it found.
func (s *server) command(ctx context.Context, at address, cmd gateway.Command) (int, error) {
	if at.err != nil {
		return 0, at.err
	}
	cmd.Hub, cmd.Target, cmd.By = at.hub, at.target, gateway.SenderREST
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.sign(&cmd)
	}
	result, err := s.Hubs.Do(ctx, &cmd)
	return result.Matched, err
}

// exists asks whether there is a connection; if not, the error is missing.
func (s *server) exists(ctx context.Context, at address, missing error) error {
	n, err := s.command(ctx, at, gateway.Command{Verb: gateway.VerbCount, Any: true})
	return orMissing(n, err, missing)
}

// close ends connections. They stay closed: their clients are not told to
// connect again (D4).
func (s *server) close(ctx context.Context, at address, reason string) (int, error) {
	return s.command(ctx, at, gateway.Command{
		Verb: gateway.VerbClose, Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: reason},
	})
}

// join adds a connection to a group.
func (s *server) join(ctx context.Context, at address, group string) error {
	n, err := s.changeGroup(ctx, at, gateway.VerbJoin, group)
	return orMissing(n, err, noConnectionToAdd)
}

// changeGroup joins or leaves a group and returns how many connections exist.
func (s *server) changeGroup(ctx context.Context, at address, verb gateway.Verb, group string) (int, error) {
	if at.err == nil {
		at.err = checkGroup(group)
	}
	// The gateway keeps the name, which is a piece of the request's whole path.
	return s.command(ctx, at, gateway.Command{Verb: verb, Group: strings.Clone(group)})
}

var (
	noConnection      = notExisted(codeNoConnection, ErrorDetailTargetConnection, "The connection does not exist.")
	noConnectionToAdd = notExisted(codeNoConnectionToAdd, ErrorDetailTargetConnection, "The connection does not exist.")
	noUser            = notExisted(codeNoUser, ErrorDetailTargetUser, "The user has no connection.")
	noGroup           = notExisted(codeNoGroup, ErrorDetailTargetGroup, "The group has no connection.")
	userNotInGroup    = notExisted(codeUserNotInGroup, ErrorDetailTargetUser, "The user is not in the group.")
)

func orMissing(n int, err, missing error) error {
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// userGroup is an address of a user together with a group.
func userGroup(at address, user, group string) (address, error) {
	at = at.user(user)
	if at.err == nil {
		at.err = checkGroup(group)
	}
	return at, at.err
}

func (s *server) addUser(ctx context.Context, at address, user, group string, seconds *int32) error {
	at, err := userGroup(at, user, group)
	if err != nil {
		return err
	}
	var ttl *time.Duration
	if seconds != nil {
		if *seconds < 0 {
			return invalid(ErrorDetailTargetRequest, "The ttl is below 0.")
		}
		lifetime := time.Duration(*seconds) * time.Second
		ttl = &lifetime
	}
	return s.UserGroups.AddUserToGroup(ctx, at.hub, strings.Clone(user), strings.Clone(group), ttl)
}

func (s *server) removeUser(ctx context.Context, at address, user, group string) error {
	at, err := userGroup(at, user, group)
	if err != nil {
		return err
	}
	return s.UserGroups.RemoveUserFromGroup(ctx, at.hub, user, group)
}

func (s *server) removeUserFromAll(ctx context.Context, at address, user string) error {
	if at = at.user(user); at.err != nil {
		return at.err
	}
	return s.UserGroups.RemoveUserFromAllGroups(ctx, at.hub, user)
}

func (s *server) userInGroup(ctx context.Context, at address, user, group string) error {
	at, err := userGroup(at, user, group)
	if err != nil {
		return err
	}
	is, err := s.UserGroups.UserInGroup(ctx, at.hub, user, group)
	if err == nil && !is {
		return userNotInGroup
	}
	return err
}

// health fails while the node shuts down (R45).
func (s *server) health() error {
	if !s.Hubs.Draining() {
		return nil
	}
	return &failure{
		status: http.StatusServiceUnavailable, reason: ReasonDraining, code: codeUnknown,
		message: "The gateway is shutting down.",
	}
}
