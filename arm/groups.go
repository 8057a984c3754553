package arm

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// A resource group is a name and nothing else here, so every name is a group. That of the resource is listed.

var groupName = regexp.MustCompile(`^[-\w._()]{0,89}[-\w_()]$`)

func (c *call) group(name, location string, tags any) map[string]any {
	if tags == nil {
		tags = map[string]string{}
	}
	return map[string]any{
		"id": "/subscriptions/" + c.h.options.Place.Subscription + "/resourceGroups/" + name, "name": name, "type": "Microsoft.Resources/resourceGroups",
		"location": plainLocation(location), "tags": tags, "properties": map[string]any{"provisioningState": "Succeeded"},
	}
}

func serveGroups(c *call) error {
	resource, err := c.h.resource(c.context())
	switch {
	case err != nil:
		return err
	case !resource.exists():
		return c.list()
	}
	return c.list(c.group(resource.group, resource.location(), nil))
}

// checkGroup reads the name of a group from the path.
func (c *call) checkGroup() (string, error) {
	name := c.values["group"]
	if !groupName.MatchString(name) {
		return "", badRequest("InvalidResourceGroup", "'%s' is no name of a resource group: up to 90 letters, digits, hyphens, underscores, parentheses and dots, with no dot at the end.", name)
	}
	return name, nil
}

func serveGroup(c *call) error {
	name, err := c.checkGroup()
	if err != nil {
		return err
	}
	resource, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	if strings.EqualFold(name, resource.group) {
		name = resource.group
	}
	if c.r.Method == http.MethodHead {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return c.json(http.StatusOK, c.group(name, resource.location(), nil))
}

func servePutGroup(c *call) error {
	name, err := c.checkGroup()
	if err != nil {
		return err
	}
	data, err := c.body()
	if err != nil {
		return err
	}
	var group struct {
		Location string            `json:"location"`
		Tags     map[string]string `json:"tags"`
	}
	if err := json.Unmarshal(data, &group); err != nil {
		return badRequest("InvalidRequestContent", "The body is not the JSON of a resource group.")
	}
	return c.json(http.StatusCreated, c.group(name, group.Location, group.Tags))
}

// serveDeleteGroup does not delete the gateway with a group: that would be more than was meant.
func serveDeleteGroup(c *call) error {
	name, err := c.checkGroup()
	if err != nil {
		return err
	}
	resource, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	if resource.exists() && strings.EqualFold(name, resource.group) {
		return refuse(http.StatusConflict, "ResourceGroupDeletionBlocked", "The gateway is the resource '%s' in this group. Delete the resource itself (az signalr delete).", resource.name)
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// serveResources lists the resource among all kinds of resources.
func serveResources(c *call) error {
	resource, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	if group, named := c.values["group"]; !resource.exists() || named && !strings.EqualFold(group, resource.group) || !asked(queryFold(c.r, "$filter"), resource.name) {
		return c.list()
	}
	view, err := c.view(resource)
	if err != nil {
		return err
	}
	delete(view, "properties")
	return c.list(view)
}

// asked reads the part of filters that clients send: one type, one name.
func asked(filter, name string) bool {
	for _, part := range strings.Split(filter, " and ") {
		field, value, ok := strings.Cut(part, " eq ")
		if !ok {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), "'")
		switch strings.ToLower(strings.TrimSpace(field)) {
		case "resourcetype":
			if !strings.EqualFold(value, resourceType) {
				return false
			}
		case "name":
			if !strings.EqualFold(value, name) {
				return false
			}
		}
	}
	return true
}
