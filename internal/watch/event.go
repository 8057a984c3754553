// Package watch is what happens at a gateway, as it happens, for those who watch: events, filters
// of them, and a stream that whoever produces an event never waits for. It knows no part of the
// gateway; the program fills the stream from its parts.
package watch

import (
	"encoding/json"
	"time"
)

// Kind is what an event is about. The list is closed.
type Kind string

const (
	// KindConnection: a client came or went.
	KindConnection Kind = "connection"
	// KindSend: a message was sent to clients.
	KindSend Kind = "send"
	// KindWebhook: an event of a client was given to a webhook, or to none.
	KindWebhook Kind = "webhook"
	// KindServer: a connection of a hub server came or went.
	KindServer Kind = "server"
	// KindLost: events that this watcher did not get. No filter leaves it out.
	KindLost Kind = "lost"
)

// Kinds are those that a watcher can ask for.
var Kinds = []Kind{KindConnection, KindSend, KindWebhook, KindServer}

// What says which of the events of its kind an event is. The list is closed.
type What string

const (
	// WhatPresent: the client or the hub server was there when the watching began.
	WhatPresent What = "present"
	// WhatOpened and WhatClosed are the ends of a connection.
	WhatOpened What = "opened"
	WhatClosed What = "closed"
	// WhatSent: a send whose fan-out on this node is over.
	WhatSent What = "sent"
	// WhatCalled: a webhook that was called, whatever came of it.
	WhatCalled What = "called"
	// WhatSkipped: an event of a client for which no webhook was called.
	WhatSkipped What = "skipped"
	// WhatLost: see KindLost.
	WhatLost What = "lost"
)

// Loss is why a watcher did not get events. The list is closed.
type Loss string

const (
	// LossSlow: the watcher takes them more slowly than they come.
	LossSlow Loss = "SlowWatcher"
	// LossRate: more than MaxRate sends and webhooks came within one second, for all watchers together.
	// Those beyond are only counted.
	LossRate Loss = "TooMany"
	// LossTooManyPresent: more connections were there at the beginning than are listed.
	LossTooManyPresent Loss = "TooManyPresent"
)

// Losses lists every Loss.
var Losses = []Loss{LossSlow, LossRate, LossTooManyPresent}

// Event is something that happened. Exactly one of the pointers is set, that of its kind. It
// holds no token and no key. It is never changed once it was published.
type Event struct {
	// Seq orders the events of one gateway from its start on; 0 for those that were made for one watcher.
	Seq  uint64    `json:"seq,omitempty"`
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	What What      `json:"what"`
	// Node is where it happened, "" for a gateway that is alone.
	Node string `json:"node,omitempty"`
	Subject
	Connection *Connection `json:"client,omitempty"`
	Send       *Send       `json:"send,omitempty"`
	Webhook    *Webhook    `json:"webhook,omitempty"`
	Server     *Server     `json:"server,omitempty"`
	Lost       *Lost       `json:"lost,omitempty"`
}

// Subject is whom an event is about, which filters compare. What does not apply is empty.
type Subject struct {
	Hub string `json:"hub,omitempty"`
	// User and ConnectionID are those of the client, or those that a send names if it names one.
	User         string `json:"user,omitempty"`
	ConnectionID string `json:"connection,omitempty"`
	Trace        string `json:"trace,omitempty"`
}

// Connection is a client that came or went.
type Connection struct {
	Transport string `json:"transport"`
	Protocol  string `json:"protocol,omitempty"`
	// Remote is the client's address without a port.
	Remote string `json:"remote,omitempty"`
	// Reason and Text are of one that went: from the closed list of close reasons, and what the
	// client was told.
	Reason string `json:"reason,omitempty"`
	Text   string `json:"text,omitempty"`
}

// Send is a message to clients, and what had become of it on this node at the end of its fan-out:
// Matched is Written, Queued and Dropped together.
type Send struct {
	// By is who sent it: rest, server or node.
	By string `json:"by"`
	// To is the kind of target: all, connections, users or groups.
	To string `json:"to"`
	// Names are the connections, users or groups, MaxNames of them at most; More are those left out.
	Names []string `json:"names,omitempty"`
	More  int      `json:"more,omitempty"`
	// Except is how many connections and users were named as exceptions.
	Except int `json:"except,omitempty"`
	Fate
	Message
}

// MaxNames bounds the names in an event about a send.
const MaxNames = 8

// Fate is what became of a send, in connections.
type Fate struct {
	Matched int `json:"matched"`
	Written int `json:"written"`
	Queued  int `json:"queued"`
	Dropped int `json:"dropped"`
}

// Message is what was sent.
type Message struct {
	// Method is the target of the invocation, "" if the gateway cannot read the message.
	Method string `json:"method,omitempty"`
	// Arguments are JSON text, at most MaxBody bytes of it.
	Arguments string `json:"arguments,omitempty"`
	// Bytes is the size of the message in its largest form.
	Bytes int `json:"bytes"`
}

// Webhook is an event of a client and what the application answered.
type Webhook struct {
	Category string `json:"category"`
	Event    string `json:"event"`
	// URL holds no user info, no values of its query and no secrets.
	URL string `json:"url,omitempty"`
	// Result is from the closed list of webhook results or, for WhatSkipped, of skip reasons.
	Result string `json:"result"`
	// Status is 0 if there was no answer.
	Status int `json:"status,omitempty"`
	// Error says more about a Result that is no success.
	Error string `json:"error,omitempty"`
	// Took is from the event's turn on to the end of the answer.
	Took time.Duration `json:"took,omitempty"`
	// Request and Answer are bodies as text, MessagePack as JSON, of each at most MaxBody bytes.
	Request string `json:"request,omitempty"`
	Answer  string `json:"answer,omitempty"`
}

// MaxBody bounds the bodies in events, in bytes. What is cut off is replaced by "…".
const MaxBody = 4 << 10

// Server is a connection of a hub server that came or went.
type Server struct {
	ID string `json:"id"`
	// Kind is Default, OnDemand or Weak.
	Kind   string `json:"kind"`
	Agent  string `json:"agent,omitempty"`
	Remote string `json:"remote,omitempty"`
	// Reason is of one that went, from the closed list of ends; Clients are those it had.
	Reason  string `json:"reason,omitempty"`
	Clients int    `json:"clients,omitempty"`
}

// Lost counts events that the watcher did not get.
type Lost struct {
	Reason Loss   `json:"reason"`
	Events uint64 `json:"events"`
}

// Parse reads the JSON of an event, as another gateway of any version may write it.
func Parse(data []byte) (*Event, error) {
	e := new(Event)
	if err := json.Unmarshal(data, e); err != nil {
		return nil, err
	}
	return e, nil
}
