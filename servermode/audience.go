package servermode

import (
	"strings"

	"github.com/hubgate/hubgate/gateway"
)

// Audience says whom hub servers of ASP.NET SignalR mean by a group of an application's hub: all
// clients that declared the hub of that name, one user of a hub, or a group, which their SDK names by
// hub and group with a dot between. The inverse of declaredGroup, userGroup and namedGroup.
func Audience(group string) (kind gateway.TargetKind, name string) {
	prefix, name, _ := strings.Cut(group, ":")
	switch prefix {
	case "h":
		return gateway.TargetAll, name
	case "u":
		_, user, _ := strings.Cut(name, ":") // no name of a hub has a colon
		return gateway.TargetUsers, user
	}
	return gateway.TargetGroups, strings.TrimPrefix(name, "hg-")
}
