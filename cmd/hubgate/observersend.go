package main

import (
	"cmp"
	"encoding/json"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/watch"
)

// maxReadMessage is the largest message that is read for those who watch; of larger ones they see the size.
const maxReadMessage = 256 << 10

// sendOf describes a send before it is carried out.
func sendOf(cmd *gateway.Command) *watch.Send {
	t := &cmd.Target
	s := &watch.Send{
		By: string(cmp.Or(cmd.By, "node")), To: targetName(meantKind(cmd)), Names: meantNames(cmd), Except: len(t.Except) + len(t.ExceptUsers),
		Message: messageOf(cmd.Frames),
	}
	if len(t.IDs) > watch.MaxNames {
		s.Names, s.More = s.Names[:watch.MaxNames], len(t.IDs)-watch.MaxNames
	}
	return s
}

// messageOf reads what is sent, if it is an invocation in a protocol that the gateway knows.
func messageOf(frames *hubprotocol.Frames) watch.Message {
	m := watch.Message{Bytes: frames.Size()}
	if m.Bytes > maxReadMessage {
		return m
	}
	if frame, ok := frames.For(aspnetprotocol.Name); ok {
		return aspNetMessage(m, frame)
	}
	frame, ok := frames.For(hubprotocol.JSON)
	if !ok {
		return m
	}
	_, body, rest, err := hubprotocol.Cut(hubprotocol.JSON, frame, maxReadMessage*4)
	if err != nil || body == nil {
		return m
	}
	record, err := hubprotocol.Parse(hubprotocol.JSON, body)
	if err != nil || record.Type != hubprotocol.Invocation {
		return m
	}
	m.Method, m.Arguments = record.Target, shown(record.Arguments, len(rest) > 0)
	return m
}

// aspNetMessage reads a frame of ASP.NET SignalR, if it calls a method. Its size is known.
func aspNetMessage(m watch.Message, frame []byte) watch.Message {
	var calls struct {
		M []struct {
			H, M string
			A    json.RawMessage
		}
	}
	if json.Unmarshal(frame, &calls) != nil || len(calls.M) == 0 || calls.M[0].M == "" {
		return m
	}
	first := &calls.M[0]
	m.Method, m.Arguments = first.H+"."+first.M, shown(first.A, len(calls.M) > 1)
	return m
}
