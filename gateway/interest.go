package gateway

import (
	"context"
	"errors"
)

// NameKind says what a Name is the name of.
type NameKind byte

const (
	// NameHub is a hub that has clients. Name.Name is empty.
	NameHub NameKind = iota + 1
	// NameGroup is a group that has members.
	NameGroup
	// NameUser is a user with connections.
	NameUser
	// NameConnection is a connection, by its id.
	NameConnection
)

// Name is what a Command may be for: a hub, or something in one.
type Name struct {
	Kind NameKind
	// Hub is the hub's key.
	Hub string
	// Name is the group, the user or the connection id.
	Name string
}

// Announcer is the optional ability of a Backplane to hand commands only to the nodes that have
// receivers for them. The core says for which names it has some, and to is always nil then: where a
// connection lives is not read from its id. Both methods may be called concurrently and do not wait.
type Announcer interface {
	// Announce says that the node has receivers for names. Done is called once when all other nodes
	// know that, before Announce returns or later by another goroutine, and must not block. Nodes
	// that do not acknowledge are not waited for beyond the Backplane's bound. A name that is
	// announced several times has to be withdrawn as often.
	Announce(names []Name, done func())
	// Withdraw takes names back. Commands for them may go on coming for a while.
	Withdraw(names []Name)
}

// Admitter is the optional ability of a Backplane to say that another node could not take a send.
type Admitter interface {
	// Admit returns an error, which is ErrHubBusy, if one of the nodes that a send would go to is
	// behind, or if the hub is over its bound there. It reserves nothing and does not wait.
	Admit(to []string, cmd *Command) error
}

// Finder is the optional ability of an Asker to answer whether there is anything at all.
type Finder interface {
	// Exists is Ask, but the first node that has found something is the answer, whatever the
	// others say. Result.Matched is more than zero then.
	Exists(ctx context.Context, to []string, cmd *Command, answered func(Result, error))
}

// ErrIncomplete says that not all nodes have answered a command in time. What those that did have
// found is not the answer. A Backplane wraps it with the names of the nodes.
var ErrIncomplete = errors.New("nodes of the cluster did not answer in time")
