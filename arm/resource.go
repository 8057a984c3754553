package arm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/management"
)

const (
	namespace    = "Microsoft.SignalRService"
	resourceType = namespace + "/SignalR"
	// the resource of a gateway that nobody has created or deleted through the API
	defaultName, defaultGroup, defaultLocation = "hubgate", "hubgate", "local"
)

// resource is the gateway as it is shown, at one moment.
type resource struct {
	version     management.Version
	group, name string // "" if it was deleted
	created     bool   // somebody has given it its name
}

// resource reads what is in force.
func (h *Handler) resource(ctx context.Context) (*resource, error) {
	v, err := h.options.Settings.Current(ctx)
	if err != nil {
		return nil, err
	}
	return resourceOf(v), nil
}

func resourceOf(v management.Version) *resource {
	r := &resource{version: v, group: defaultGroup, name: defaultName}
	if named := v.Set.Resource; named != nil {
		r.group, r.name, r.created = named.Group, named.Name, named.Name != ""
	}
	return r
}

func (r *resource) exists() bool { return r.name != "" }

func (r *resource) location() string {
	if l := r.version.Document.Location; l != "" {
		return l
	}
	return defaultLocation
}

// is says whether the resource has this name. Letter case makes no difference.
func (r *resource) is(group, name string) bool {
	return strings.EqualFold(r.name, name) && strings.EqualFold(r.group, group)
}

// plainLocation is how locations are compared: "West Europe" is westeurope.
func plainLocation(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, " ", ""))
}

// named returns the resource that the path names, or the error that it is not there.
func (c *call) named() (*resource, error) {
	r, err := c.h.resource(c.context())
	if err != nil {
		return nil, err
	}
	if group, name := c.values["group"], c.values["name"]; !r.is(group, name) {
		return nil, refuse(http.StatusNotFound, "ResourceNotFound", "The Resource '%s/%s' under resource group '%s' was not found.%s", resourceType, name, group, r.hint())
	}
	return r, nil
}

// hint says what there is instead.
func (r *resource) hint() string {
	if !r.exists() {
		return " The gateway has no name here until it is created."
	}
	return " The gateway is '" + r.name + "' in resource group '" + r.group + "'."
}

func (c *call) id(r *resource) string {
	return "/subscriptions/" + c.h.options.Place.Subscription + "/resourceGroups/" + r.group + "/providers/" + resourceType + "/" + r.name
}

// view is the resource as clients are given it: the document in force with what only the gateway knows.
func (c *call) view(r *resource) (map[string]any, error) {
	text, err := json.Marshal(r.version.Document)
	if err != nil {
		return nil, err
	}
	var view map[string]any
	if err := json.Unmarshal(text, &view); err != nil {
		return nil, err
	}
	delete(view, "resource")
	properties, _ := view["properties"].(map[string]any)
	if properties == nil {
		properties = map[string]any{}
	}
	c.addGiven(r, properties)
	fillACLs(properties)
	view["properties"] = properties
	view["id"], view["name"], view["type"], view["kind"], view["location"] = c.id(r), r.name, resourceType, "SignalR", r.location()
	if view["tags"] == nil {
		view["tags"] = map[string]any{}
	}
	if view["sku"] == nil {
		view["sku"] = map[string]any{"name": "Standard_S1", "tier": "Standard", "size": "S1", "capacity": 1}
	}
	view["systemData"] = systemData(&r.version)
	return view, nil
}

// addGiven adds what is read only.
func (c *call) addGiven(r *resource, properties map[string]any) {
	host, port := c.endpoint()
	properties["provisioningState"] = "Succeeded"
	properties["hostName"], properties["hostNamePrefix"] = host, r.name
	properties["publicPort"], properties["serverPort"], properties["version"] = port, port, "1.0"
	properties["privateEndpointConnections"], properties["sharedPrivateLinkResources"] = []any{}, []any{}
}

// endpoint is where clients reach the gateway.
func (c *call) endpoint() (host string, port int) {
	u, err := url.Parse(c.h.options.Endpoint())
	if err != nil {
		return "", 0
	}
	if port, err = strconv.Atoi(u.Port()); err != nil {
		port = 443
		if u.Scheme == "http" {
			port = 80
		}
	}
	return u.Hostname(), port
}

// fillACLs shows network rules whole: command lines change what they were shown and send it back. Without
// rules everything is allowed, and these say the same.
func fillACLs(properties map[string]any) {
	acls, _ := properties["networkACLs"].(map[string]any)
	if acls == nil {
		acls = map[string]any{"defaultAction": "Deny", "publicNetwork": map[string]any{"allow": []string{"ServerConnection", "ClientConnection", "RESTAPI", "Trace"}}}
	}
	if acls["publicNetwork"] == nil {
		acls["publicNetwork"] = map[string]any{}
	}
	for _, list := range []string{"privateEndpoints", "ipRules"} {
		if acls[list] == nil {
			acls[list] = []any{}
		}
	}
	properties["networkACLs"] = acls
}

func systemData(v *management.Version) map[string]any {
	if v.By == "" {
		return map[string]any{}
	}
	return map[string]any{"lastModifiedBy": v.By, "lastModifiedByType": "Application", "lastModifiedAt": v.Time.UTC().Format(time.RFC3339)}
}

func serveGet(c *call) error {
	r, err := c.named()
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, r)
}

func (c *call) show(status int, r *resource) error {
	view, err := c.view(r)
	if err != nil {
		return err
	}
	return c.json(status, view)
}

// serveList lists the resource, of a group or of the subscription.
func serveList(c *call) error {
	r, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	if group, ofGroup := c.values["group"]; !r.exists() || ofGroup && !strings.EqualFold(group, r.group) {
		return c.list()
	}
	view, err := c.view(r)
	if err != nil {
		return err
	}
	return c.list(view)
}

var resourceName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,61}[a-zA-Z0-9]$`)

const nameRule = "A name has 3 to 63 letters, digits and hyphens, begins with a letter, and ends with a letter or a digit."
