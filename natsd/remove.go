package natsd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrVoterNeeded refuses to take out a voter without which the store would stop.
var ErrVoterNeeded = errors.New("the store would stop without this voter")

const (
	// removeTime bounds taking a voter out, with what elections take. One
	// attempt has removeTry, and the next comes after removePause.
	removeTime  = 20 * time.Second
	removeTry   = 2 * time.Second
	removePause = 200 * time.Millisecond
)

// errNoLeader is the voters' answer while they choose a leader, or cannot.
var errNoLeader = errors.New("the voters have no leader: without a majority of them none can be taken out")

// RemoveVoter takes a voter out of the group for good, so that another one with
// a new name can take its place. Any node may do it. It fails without a
// majority of voters, and does not take out one without which there would be
// none. A voter that was taken out must not come back under its name. It takes
// twenty seconds at most.
func (e *Engine) RemoveVoter(ctx context.Context, name string) error {
	if e.server() == nil || e.opts.Cluster == nil {
		return errors.New("there are no voters: the node is alone, or its NATS server is outside")
	}
	ctx, cancel := context.WithTimeout(ctx, removeTime)
	defer cancel()
	for asked := false; ; {
		there, err := e.mayRemove(ctx, name)
		switch {
		case err != nil && !errors.Is(err, errNoLeader):
			return err
		case err == nil && !there && asked:
			return nil
		case err == nil && !there:
			return fmt.Errorf("%q is not one of the voters", name)
		case err == nil:
			asked = true
			err = e.askToRemove(ctx, name)
		}
		select {
		case <-time.After(removePause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// mayRemove reports whether the voter is in the group, and checks that there is
// a majority without it.
func (e *Engine) mayRemove(ctx context.Context, name string) (there bool, err error) {
	list, err := e.groups(ctx)
	if err != nil {
		return false, err
	}
	var leader *group
	others := 0
	for _, g := range list {
		if g.State == stateLeader {
			leader = &g
		}
		if g.name != name {
			others++
		}
	}
	if leader == nil {
		return false, errNoLeader
	}
	names := leader.names()
	switch {
	case !slices.Contains(names, name):
		return false, nil
	case others < (len(names)-1)/2+1:
		return true, fmt.Errorf("%w: of %s only %d are there without %q", ErrVoterNeeded, strings.Join(names, ", "), others, name)
	}
	return true, nil
}

// askToRemove asks the leader once. What became of it is seen in the group.
func (e *Engine) askToRemove(ctx context.Context, name string) error {
	conn, err := e.connect(ctx, e.users.system)
	if err != nil {
		return err
	}
	defer conn.Close()
	question, err := json.Marshal(map[string]string{"peer": name})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, removeTry)
	defer cancel()
	msg, err := conn.RequestWithContext(ctx, "$JS.API.SERVER.REMOVE", question)
	if err != nil {
		return fmt.Errorf("the voters do not answer: %w", err)
	}
	var result struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &result); err != nil {
		return err
	}
	if result.Error != nil {
		return errors.New(result.Error.Description)
	}
	return nil
}
