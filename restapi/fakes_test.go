package restapi

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// recorder is a Hubs that finds one connection for every command and keeps the last.
type recorder struct {
	mu       sync.Mutex
	last     *gateway.Command
	err      error
	panics   any
	draining bool
}

func (r *recorder) Do(ctx context.Context, cmd *gateway.Command) (gateway.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.panics != nil {
		panic(r.panics)
	}
	r.last = cmd
	return gateway.Result{Matched: 1}, r.err
}

// Invoke is answered at once.
func (r *recorder) Invoke(ctx context.Context, cmd gateway.Command, message func(string) (*hubprotocol.Frames, error)) (gateway.Answer, error) {
	var err error
	if cmd.Frames, err = message("1"); err != nil {
		return gateway.Answer{}, err
	}
	_, err = r.Do(ctx, &cmd)
	return gateway.Answer{Protocol: "json", Frame: []byte(`{"type":3,"invocationId":"1","result":7}` + "\x1e")}, err
}

// keeper keeps what a request's context holds, for longer than it may.
type keeper struct {
	*recorder
	keep func(*call)
}

func (k keeper) Do(ctx context.Context, cmd *gateway.Command) (gateway.Result, error) {
	k.keep(ctx.Value(callKey{}).(*call))
	return k.recorder.Do(ctx, cmd)
}

func (r *recorder) Draining() bool { return r.draining }

func (r *recorder) take(t testing.TB) *gateway.Command {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotNil(t, r.last, "no command")
	cmd := r.last
	r.last = nil
	return cmd
}

// nobody is a UserGroups without members.
type nobody struct{ err error }

func (n nobody) AddUserToGroup(context.Context, string, string, string, *time.Duration) error {
	return n.err
}
func (n nobody) RemoveUserFromGroup(context.Context, string, string, string) error { return n.err }
func (n nobody) RemoveUserFromAllGroups(context.Context, string, string) error     { return n.err }
func (n nobody) UserInGroup(context.Context, string, string, string) (bool, error) {
	return false, n.err
}
