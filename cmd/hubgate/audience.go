package main

import (
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/watch"
	"github.com/hubgate/hubgate/servermode"
)

// What the hub servers of an application of ASP.NET SignalR send to all, to users and to groups goes to
// groups of the gateway. Logs, metrics and those who watch have it in the words of the hub servers.

// hasMeaning says whether the groups that the command names stand for something else.
func hasMeaning(cmd *gateway.Command) bool {
	_, ok := hubname.Application(cmd.Hub)
	return ok && cmd.Target.Kind == gateway.TargetGroups && len(cmd.Target.IDs) > 0
}

// meantKind is whom a command is for. All names of a command are of one kind.
func meantKind(cmd *gateway.Command) gateway.TargetKind {
	if !hasMeaning(cmd) {
		return cmd.Target.Kind
	}
	kind, _ := servermode.Audience(cmd.Target.IDs[0])
	return kind
}

// meantNames are the names of whom a command is for; of many only as many as are shown.
func meantNames(cmd *gateway.Command) []string {
	if !hasMeaning(cmd) {
		return cmd.Target.IDs
	}
	names := make([]string, 0, min(len(cmd.Target.IDs), watch.MaxNames))
	for _, id := range cmd.Target.IDs[:cap(names)] {
		_, name := servermode.Audience(id)
		names = append(names, name)
	}
	return names
}
