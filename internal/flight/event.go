// Package flight is a flight recorder: a ring of fixed size with what happened last at a node, to connections
// and to messages, and the search in it. It knows no part of the gateway; the program fills it from its parts.
package flight

import "time"

// Kind is what an event is about. The list is closed.
type Kind string

const (
	// KindConnection: a client came or went, lost its transport or came back, or was refused.
	KindConnection Kind = "connection"
	// KindSend: a message was sent to clients.
	KindSend Kind = "send"
	// KindDelivery: a record for one client alone, such as an answer.
	KindDelivery Kind = "delivery"
	// KindMessage: a record came from a client.
	KindMessage Kind = "message"
	// KindCommand: clients joined or left groups, or were closed, because somebody asked for it.
	KindCommand Kind = "command"
	// KindWebhook: an event of a client was given to a webhook, or to none.
	KindWebhook Kind = "webhook"
	// KindServer: a connection of a hub server came or went, or was refused.
	KindServer Kind = "server"
	// KindRequest: a request to the REST API was answered.
	KindRequest Kind = "request"
)

// Kinds lists every Kind. Their order is part of the form in which events are kept.
var Kinds = []Kind{KindConnection, KindSend, KindDelivery, KindMessage, KindCommand, KindWebhook, KindServer, KindRequest}

// What says which of the events of its kind an event is. The list is closed.
type What string

const (
	// WhatOpened and WhatClosed are the ends of a connection of a client or a hub server.
	WhatOpened What = "opened"
	WhatClosed What = "closed"
	// WhatLost: the client lost its transport and may come back. WhatReturned: it has another one.
	WhatLost     What = "lost"
	WhatReturned What = "returned"
	// WhatRefused: a request of a client or a hub server was refused.
	WhatRefused What = "refused"
	// WhatSent: a send whose fan-out on this node is over.
	WhatSent What = "sent"
	// WhatDelivered: a record for one client whose way on this node is over.
	WhatDelivered What = "delivered"
	// WhatReceived: a record of a client that its hub server or its webhook will get.
	WhatReceived What = "received"
	// WhatJoin, WhatLeave, WhatLeaveAll and WhatClose are commands.
	WhatJoin     What = "join"
	WhatLeave    What = "leave"
	WhatLeaveAll What = "leaveAll"
	WhatClose    What = "close"
	// WhatCalled: a webhook was called, whatever came of it. WhatSkipped: none was.
	WhatCalled  What = "called"
	WhatSkipped What = "skipped"
	// WhatAnswered: a REST request got its answer, whichever it was.
	WhatAnswered What = "answered"
)

// Whats lists every What. Their order is part of the form in which events are kept.
var Whats = []What{
	WhatOpened, WhatClosed, WhatLost, WhatReturned, WhatRefused, WhatSent, WhatDelivered, WhatReceived, WhatJoin, WhatLeave, WhatLeaveAll,
	WhatClose, WhatCalled, WhatSkipped, WhatAnswered,
}

// Event is something that happened. What does not apply is empty.
type Event struct {
	Time time.Time `json:"time"`
	// Node is where it happened. Answers have it, the recorder does not keep it.
	Node string `json:"node,omitempty"`
	Kind Kind   `json:"kind"`
	What What   `json:"what"`
	Subject
	Send
	Message
	Outcome
	Way
}

// Subject is whom an event is about.
type Subject struct {
	Hub        string `json:"hub,omitempty"`
	User       string `json:"user,omitempty"`
	Connection string `json:"connection,omitempty"`
	// Group is the group of a command, or the one that a send names if it names one.
	Group string `json:"group,omitempty"`
	Trace string `json:"trace,omitempty"`
}

// Send is whom something was for, and what became of it on this node.
type Send struct {
	// By is who asked: rest, server or node.
	By string `json:"by,omitempty"`
	// To is the kind of target: all, connections, users or groups.
	To string `json:"to,omitempty"`
	// Names are the connections, users or groups, MaxNames of them at most; More are those left out.
	Names []string `json:"names,omitempty"`
	More  int      `json:"more,omitempty"`
	// Fate is there for sends, deliveries and commands.
	Fate *Fate `json:"fate,omitempty"`
	// Receivers are all, if they are few, else some of those that did not get the message at once.
	Receivers []Receiver `json:"receivers,omitempty"`
}

// MaxNames bounds the names in an event.
const MaxNames = 8

// Fate is what became of a message on one node, in connections: matched is the rest together. What is queued may
// have been written or dropped later.
type Fate struct {
	Matched int `json:"matched"`
	Written int `json:"written"`
	Queued  int `json:"queued"`
	Dropped int `json:"dropped"`
}

// Receiver is what became of a message for one connection.
type Receiver struct {
	Connection string `json:"connection"`
	User       string `json:"user,omitempty"`
	// Fate is written, queued or dropped, Reason why it was dropped.
	Fate   string `json:"fate"`
	Reason string `json:"reason,omitempty"`
}

// The fates of receivers.
const (
	Written = "written"
	Queued  = "queued"
	Dropped = "dropped"
)

// Message is what was said.
type Message struct {
	// Method is the target of an invocation, or the operation of a request, or the event of a webhook.
	Method string `json:"method,omitempty"`
	// Type is what the record of a client is, in the numbers of the hub protocol.
	Type  int `json:"type,omitempty"`
	Bytes int `json:"bytes,omitempty"`
	// Payload is the beginning of the arguments, if the recorder was told to keep it.
	Payload string `json:"payload,omitempty"`
}

// Outcome is how something ended.
type Outcome struct {
	// Reason is of a closed list: see docs/errors.md.
	Reason string `json:"reason,omitempty"`
	// Text says more: what a client was told, or the error.
	Text   string        `json:"text,omitempty"`
	Status int           `json:"status,omitempty"`
	Took   time.Duration `json:"took,omitempty"`
}

// Way is how somebody is connected, or where something went.
type Way struct {
	Transport string `json:"transport,omitempty"`
	Protocol  string `json:"protocol,omitempty"`
	// Remote is an address without a port.
	Remote string `json:"remote,omitempty"`
	// URL is that of a webhook or the path of a request, without secrets.
	URL string `json:"url,omitempty"`
	// Server is the kind of a hub server's connection.
	Server string `json:"server,omitempty"`
}
