package arm

import (
	"encoding/json"
	"strings"

	"github.com/hubgate/hubgate/management"
)

// The Azure CLI puts publicNetworkAccess, disableLocalAuth, disableAadAuth and resourceStopped into every change, with
// their defaults, whatever the change is about: its model has these defaults. Obeyed, "az signalr cors add" would switch
// access keys on again that somebody has switched off (R87), and start a gateway that is stopped. So flags that come
// all together with their defaults are taken as not said. Said on its own a flag is obeyed.

// access is what a body says of the flags, and whether that can be meant.
type access struct {
	sent                           map[string]bool // named at all
	careless                       bool            // all three are there, as the command line sends them
	public, local, aad, starts     bool            // has the default
	onlyFlags, createsWithDefaults bool
}

func readAccess(fields map[string]json.RawMessage) access {
	properties := propertiesOf(fields)
	a := access{sent: make(map[string]bool, len(properties)), onlyFlags: true}
	for name := range properties {
		a.sent[name] = true
		switch name {
		case "publicnetworkaccess", "disablelocalauth", "disableaadauth", "regionendpointenabled", "resourcestopped":
		default:
			a.onlyFlags = false
		}
	}
	for _, name := range []string{"tags", "sku", "identity"} {
		if _, named := fields[name]; named {
			a.onlyFlags = false
		}
	}
	a.careless = a.sent["publicnetworkaccess"] && a.sent["disablelocalauth"] && a.sent["disableaadauth"]
	a.public = textIs(properties["publicnetworkaccess"], "Enabled")
	a.local, a.aad = isFalse(properties["disablelocalauth"]), isFalse(properties["disableaadauth"])
	a.starts = textIs(properties["resourcestopped"], "false")
	var acls map[string]any
	if json.Unmarshal(properties["networkacls"], &acls) == nil {
		action, _ := acls["defaultAction"].(string)
		a.createsWithDefaults = len(acls) == 1 && strings.EqualFold(action, "Allow")
	}
	return a
}

func textIs(value json.RawMessage, want string) bool {
	var text string
	return json.Unmarshal(value, &text) == nil && strings.EqualFold(text, want)
}

func isFalse(value json.RawMessage) bool {
	var flag bool
	return len(value) > 0 && json.Unmarshal(value, &flag) == nil && !flag
}

// guard gives the flags of next that nobody can have meant the values of before. A PUT replaces everything:
// there, what the body does not name of them stays too.
func (c *call) guard(sent access, next, before *management.Document, put bool) {
	if c.h.options.Literal {
		return
	}
	var kept []string
	keep := func(name string, isDefault bool, restore func()) {
		if put && !sent.sent[strings.ToLower(name)] || sent.careless && isDefault {
			restore()
			kept = append(kept, name)
		}
	}
	now, was := &next.Properties, &before.Properties
	stricter := was.PublicNetworkAccess != "" && !strings.EqualFold(was.PublicNetworkAccess, "Enabled") ||
		isTrue(was.DisableLocalAuth) || isTrue(was.DisableAADAuth) || strings.EqualFold(was.Stopped, "true") || was.NetworkACLs != nil && put
	keep("publicNetworkAccess", sent.public, func() { now.PublicNetworkAccess = was.PublicNetworkAccess })
	keep("disableLocalAuth", sent.local, func() { now.DisableLocalAuth = was.DisableLocalAuth })
	keep("disableAadAuth", sent.aad, func() { now.DisableAADAuth = was.DisableAADAuth })
	keep("resourceStopped", sent.starts && (!sent.onlyFlags || put), func() { now.Stopped = was.Stopped })
	if put {
		keep("networkACLs", sent.createsWithDefaults, func() { now.NetworkACLs = was.NetworkACLs })
	}
	if stricter && len(kept) > 0 {
		c.h.log.Warn("resource API: access flags that came along with a change are left as they are: clients such as az send them with every change. "+
			"Send one alone to change it, or set arm.literalAccess", "flags", kept, "by", c.caller)
	}
}

func isTrue(flag *bool) bool { return flag != nil && *flag }
