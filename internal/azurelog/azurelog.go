// Package azurelog says in the words of Azure SignalR Service what has happened: the categories, names and templates of
// its resource logs and of its live trace.
package azurelog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/internal/flight"
)

// Category is a category of logs. The list is closed.
type Category string

const (
	Connectivity Category = "ConnectivityLogs"
	Messaging    Category = "MessagingLogs"
	HTTPRequests Category = "HttpRequestLogs"
)

// Categories lists every Category.
var Categories = []Category{Connectivity, Messaging, HTTPRequests}

// Level is how grave an event is, in the numbers of live trace.
type Level int

const (
	Debug       Level = 1
	Information Level = 2
	Warning     Level = 3
	Error       Level = 4
)

// String is the level in resource logs.
func (l Level) String() string {
	switch l {
	case Debug, Information:
		return "Informational"
	case Warning:
		return "Warning"
	}
	return "Error"
}

// Property is what is the same for all events of an id.
type Property struct {
	EventID   int    `json:"eventId"`
	EventName string `json:"eventName"`
	Template  string `json:"template"`
	LogLevel  Level  `json:"logLevel"`

	category   Category
	collection string
}

// The ids of events. They are hubgate's own: those of Azure are not documented.
const (
	started = iota + 1
	ended
	aborted
	reconnecting
	reconnected
	refused
	throttled
	received
	sent
	sentTo
	dropped
	commanded
	webhookCalled
	webhookFailed
	webhookSkipped
	serverStarted
	serverEnded
	serverRefused
	requested
)

const (
	ofConnections = "Connection"
	ofTokens      = "Authorization"
	ofThrottling  = "Throttling"
	ofMessages    = "Message"
)

// properties are by id.
var properties = [...]Property{
	started:        {started, "ConnectionStarted", "Connection {connectionId} started.", Information, Connectivity, ofConnections},
	ended:          {ended, "ConnectionEnded", "Connection {connectionId} ended. {reason}", Information, Connectivity, ofConnections},
	aborted:        {aborted, "ConnectionAborted", "Connection {connectionId} was aborted. {reason} {text}", Warning, Connectivity, ofConnections},
	reconnecting:   {reconnecting, "ConnectionLost", "Connection {connectionId} lost its transport and may come back. {reason}", Information, Connectivity, ofConnections},
	reconnected:    {reconnected, "ConnectionReturned", "Connection {connectionId} has another transport.", Information, Connectivity, ofConnections},
	refused:        {refused, "AuthorizationFailed", "A request was refused. {reason} {text}", Warning, Connectivity, ofTokens},
	throttled:      {throttled, "ConnectionThrottled", "A connection was refused: a limit is reached. {reason}", Warning, Connectivity, ofThrottling},
	received:       {received, "ReceivedMessage", "Received message {tracingId} from client connection {connectionId}. Method: {method}", Information, Messaging, ofMessages},
	sent:           {sent, "SentMessage", "Sent message {tracingId} to {target}: matched {matched}, written {written}, waiting {queued}, not delivered {dropped}. Method: {method}", Information, Messaging, ofMessages},
	sentTo:         {sentTo, "SentMessageToClient", "Sent message {tracingId} to client connection {connectionId} successfully.", Information, Messaging, ofMessages},
	dropped:        {dropped, "MessageNotDelivered", "Message {tracingId} to {target} was not delivered to {dropped} of {matched}. {reason}", Warning, Messaging, ofMessages},
	commanded:      {commanded, "CommandExecuted", "{command} {group} for {target}: matched {matched}.", Information, Messaging, ofMessages},
	webhookCalled:  {webhookCalled, "InvokedUpstream", "Upstream was called for {method} of connection {connectionId}: {status} in {duration} ms. {tracingId}", Information, Messaging, ofMessages},
	webhookFailed:  {webhookFailed, "InvokeUpstreamFailed", "Upstream call failed for {method} of connection {connectionId}: {reason} {status} {text} {tracingId}", Error, Messaging, ofMessages},
	webhookSkipped: {webhookSkipped, "UpstreamSkipped", "No upstream was called for {method} of connection {connectionId}: {reason}", Warning, Messaging, ofMessages},
	serverStarted:  {serverStarted, "ServerConnectionStarted", "Server connection {connectionId} started.", Information, Connectivity, ofConnections},
	serverEnded:    {serverEnded, "ServerConnectionEnded", "Server connection {connectionId} ended. {reason}", Information, Connectivity, ofConnections},
	serverRefused:  {serverRefused, "ServerConnectionRefused", "Server connection was refused. {reason} {text}", Warning, Connectivity, ofTokens},
	requested:      {requested, "HttpRequest", "{method} {url} answered {status} in {duration} ms. {reason}", Information, HTTPRequests, ofMessages},
}

// PropertyOf returns what is the same for all events of an id, nil if there are none.
func PropertyOf(id int) *Property {
	if id <= 0 || id >= len(properties) {
		return nil
	}
	return &properties[id]
}

// CategoryOf is the category of an event.
func CategoryOf(e *flight.Event) Category { return properties[idOf(e)].category }

func idOf(e *flight.Event) int {
	switch e.Kind {
	case flight.KindConnection:
		return connectionID(e)
	case flight.KindServer:
		switch e.What {
		case flight.WhatOpened:
			return serverStarted
		case flight.WhatRefused:
			return serverRefused
		}
		return serverEnded
	case flight.KindMessage:
		return received
	case flight.KindSend, flight.KindDelivery:
		switch {
		case e.Fate != nil && e.Fate.Dropped > 0:
			return dropped
		case e.Kind == flight.KindDelivery:
			return sentTo
		}
		return sent
	case flight.KindCommand:
		return commanded
	case flight.KindWebhook:
		switch {
		case e.What == flight.WhatSkipped:
			return webhookSkipped
		case e.Reason == "ok" || e.Reason == "rejected":
			return webhookCalled
		}
		return webhookFailed
	}
	return requested
}

func connectionID(e *flight.Event) int {
	switch {
	case e.What == flight.WhatOpened:
		return started
	case e.What == flight.WhatLost:
		return reconnecting
	case e.What == flight.WhatReturned:
		return reconnected
	case e.What == flight.WhatRefused && e.Status == 429:
		return throttled
	case e.What == flight.WhatRefused:
		return refused
	case e.Reason == "Normal" || e.Reason == "ClosedByAppServer" || e.Reason == "ServiceReload":
		return ended
	}
	return aborted
}

// target says whom a message is for.
func target(e *flight.Event) string {
	if e.To == "" || e.To == "all" {
		return "all"
	}
	text := e.To + " " + strings.Join(e.Names, ",")
	if e.More > 0 {
		text += fmt.Sprint(" and ", e.More, " more")
	}
	return text
}

// value is that of a placeholder.
func value(e *flight.Event, name string) string {
	switch name {
	case "connectionId":
		return e.Connection
	case "reason":
		return e.Reason
	case "text":
		return e.Text
	case "method":
		return e.Method
	case "tracingId":
		return e.Trace
	case "target":
		return target(e)
	case "group":
		return e.Group
	case "command":
		return string(e.What)
	case "url":
		return e.URL
	case "status":
		return strconv.Itoa(e.Status)
	case "duration":
		return strconv.FormatFloat(float64(e.Took)/float64(time.Millisecond), 'f', 3, 64)
	}
	if e.Fate == nil {
		return ""
	}
	n, ok := map[string]int{"matched": e.Fate.Matched, "written": e.Fate.Written, "queued": e.Fate.Queued, "dropped": e.Fate.Dropped}[name]
	if !ok {
		return ""
	}
	return strconv.Itoa(n)
}

// values are those of the placeholders of a template, and the template with them in it.
func values(e *flight.Event, template string) (list []string, text string) {
	var b strings.Builder
	list = []string{}
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return list, strings.TrimSpace(b.String())
		}
		name, after, _ := strings.Cut(rest, "}")
		v := value(e, name)
		list = append(list, v)
		b.WriteString(v)
		template = after
	}
}

// Trace is an event in live trace.
type Trace struct {
	Time       string         `json:"time"`
	EventID    int            `json:"eventId"`
	LogContext map[string]any `json:"logContext"`
	Values     []string       `json:"values"`
	Exception  string         `json:"exceptionMessage"`
}

// TraceOf is the event in live trace.
func TraceOf(e *flight.Event) Trace {
	p := &properties[idOf(e)]
	list, _ := values(e, p.Template)
	context := map[string]any{}
	add(context, "hubName", e.Hub)
	add(context, "userId", e.User)
	add(context, "connectionId", e.Connection)
	add(context, "connectionType", connectionType(e))
	add(context, "callerIpAddress", e.Remote)
	add(context, "transportType", transport(e))
	add(context, "groupName", e.Group)
	add(context, "messageTracingId", e.Trace)
	t := Trace{Time: e.Time.UTC().Format(timeFormat), EventID: p.EventID, LogContext: context, Values: list}
	if p.LogLevel >= Error {
		t.Exception = e.Text
	}
	return t
}

const timeFormat = "2006-01-02T15:04:05.0000000Z"

func add(to map[string]any, name, value string) {
	if value != "" {
		to[name] = value
	}
}

func connectionType(e *flight.Event) string {
	switch e.Kind {
	case flight.KindServer:
		return "Server"
	case flight.KindRequest:
		return ""
	}
	return "Client"
}

// transport is the transport in Azure's spelling.
func transport(e *flight.Event) string {
	if e.Kind == flight.KindServer || e.Transport == "WebSockets" {
		return "Websockets"
	}
	return e.Transport
}

// Record is an event in resource logs.
type Record struct {
	Time            string         `json:"time"`
	Level           string         `json:"level"`
	ResourceID      string         `json:"resourceId"`
	Location        string         `json:"location"`
	Category        string         `json:"category"`
	OperationName   string         `json:"operationName"`
	CallerIPAddress string         `json:"callerIpAddress,omitempty"`
	Properties      map[string]any `json:"properties"`
}

// RecordOf is the event in the resource logs of a resource.
func RecordOf(e *flight.Event, resource, location string) Record {
	p := &properties[idOf(e)]
	_, message := values(e, p.Template)
	more := map[string]any{"message": message, "type": string(p.category), "collection": p.collection}
	add(more, "connectionId", e.Connection)
	add(more, "userId", e.User)
	add(more, "hubName", e.Hub)
	add(more, "groupName", e.Group)
	add(more, "transportType", transport(e))
	add(more, "connectionType", connectionType(e))
	add(more, "messageTracingId", e.Trace)
	if p.category == HTTPRequests {
		method, url, _ := strings.Cut(e.URL, " ")
		more["httpMethod"], more["url"], more["httpStatusCode"] = method, url, e.Status
		more["duration"] = float64(e.Took) / float64(time.Millisecond)
	}
	level := p.LogLevel
	if p.category == HTTPRequests && e.Status >= 500 {
		level = Error
	} else if p.category == HTTPRequests && e.Status >= 400 {
		level = Warning
	}
	return Record{
		Time: e.Time.UTC().Format(timeFormat), Level: level.String(), ResourceID: resource, Location: location, Category: "AllLogs",
		OperationName: p.EventName, CallerIPAddress: e.Remote, Properties: more,
	}
}
