package arm

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/management"
)

// editor is who makes the change of this request.
func (c *call) editor(what string) management.Editor {
	return management.Editor{Name: c.caller, Note: what + " (resource API)"}
}

// change edits the settings, with the resource as it is at that moment.
func (c *call) change(what string, edit func(d *management.Document) error) (*resource, error) {
	v, err := c.h.options.Settings.Change(c.context(), c.editor(what), management.Anything, edit)
	if err != nil {
		return nil, err
	}
	c.h.log.Info("resource API: settings changed", "by", c.caller, "what", what, "revision", v.Revision)
	return resourceOf(v), nil
}

// object is the body of a request that has to be a JSON object.
func (c *call) object() (body []byte, fields map[string]json.RawMessage, err error) {
	if body, err = c.body(); err != nil {
		return nil, nil, err
	}
	var plain map[string]json.RawMessage
	if err := json.Unmarshal(body, &plain); err != nil || plain == nil {
		return nil, nil, badRequest("InvalidRequestContent", "The request content was invalid and could not be deserialized: it must be a JSON object.")
	}
	if err := management.CheckNames(body); err != nil {
		return nil, nil, err
	}
	fields = make(map[string]json.RawMessage, len(plain))
	for name, value := range plain {
		fields[strings.ToLower(name)] = value
	}
	return body, fields, nil
}

// servePut creates the resource or replaces its settings. There is one: whoever asks for a second is told so.
func servePut(c *call) error {
	group, name := c.values["group"], c.values["name"]
	if !resourceName.MatchString(name) {
		return &Error{Status: http.StatusBadRequest, Code: "InvalidResourceName", Message: "'" + name + "' is no name of a resource. " + nameRule, Target: "name"}
	}
	if !groupName.MatchString(group) {
		return badRequest("InvalidResourceGroup", "'%s' is no name of a resource group.", group)
	}
	body, fields, err := c.object()
	if err != nil {
		return err
	}
	sent := readAccess(fields)
	created := false
	r, err := c.change("create or update", func(d *management.Document) error {
		before := *d
		now := resourceOf(management.Version{Document: *d, Set: *d})
		if now.created && !now.is(group, name) {
			return refuse(http.StatusConflict, "QuotaExceeded", "This gateway is one resource, and it is '%s' in resource group '%s': there is no second one. Delete that one, or use its name.", now.name, now.group)
		}
		unknown, err := d.Replace(body)
		if err != nil {
			return err
		}
		c.noteUnknown(unknown)
		if err := checkLocation(now, &before, d); err != nil {
			return err
		}
		created = !now.created
		if created {
			d.Resource = &management.Resource{Group: group, Name: name}
		} else {
			d.Resource = before.Resource
		}
		c.guard(sent, d, &before, true)
		return nil
	})
	switch {
	case err != nil:
		return err
	case created:
		return c.show(http.StatusCreated, r)
	}
	return c.show(http.StatusOK, r)
}

// checkLocation wants one for a new resource, and the same one ever after. One that is not named stays.
func checkLocation(now *resource, before, next *management.Document) error {
	switch {
	case now.created && next.Location == "":
		next.Location = before.Location
	case next.Location == "":
		return &Error{Status: http.StatusBadRequest, Code: "LocationRequired", Message: "The location property is required for this definition.", Target: "location"}
	case now.created && before.Location != "" && plainLocation(before.Location) != plainLocation(next.Location):
		return &Error{Status: http.StatusConflict, Code: "InvalidResourceLocation", Target: "location",
			Message: "The resource '" + now.name + "' already exists in location '" + before.Location + "'. A resource with the same name cannot be created in location '" + next.Location + "'."}
	}
	return nil
}

// servePatch changes what the body names. A property that it names is replaced whole, but for features, of which
// those that are not named stay (R80).
func servePatch(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	body, fields, err := c.object()
	if err != nil {
		return err
	}
	unset, err := unsetting(fields)
	if err != nil {
		return err
	}
	sent := readAccess(fields)
	r, err := c.change("update", func(d *management.Document) error {
		before := *d
		if now := resourceOf(management.Version{Document: *d, Set: *d}); !now.is(c.values["group"], c.values["name"]) {
			return refuse(http.StatusNotFound, "ResourceNotFound", "The resource was deleted meanwhile.")
		}
		if _, err := d.MergeKnown(unset); err != nil {
			return err
		}
		unknown, err := d.MergeKnown(body)
		if err != nil {
			return err
		}
		c.noteUnknown(unknown)
		d.Resource, d.Location = before.Resource, before.Location
		c.guard(sent, d, &before, false)
		return nil
	})
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, r)
}

// unsetting is a patch that unsets everything that the body names, so that the body replaces it.
func unsetting(fields map[string]json.RawMessage) ([]byte, error) {
	unset := map[string]any{}
	for _, name := range []string{"tags", "sku", "identity"} {
		if _, named := fields[name]; named {
			unset[name] = nil
		}
	}
	properties := map[string]any{}
	for name := range propertiesOf(fields) {
		if name != "features" && name != "hubgate" {
			properties[name] = nil
		}
	}
	unset["properties"] = properties
	return json.Marshal(unset)
}

// propertiesOf are the properties of a body, by their names in lower case. What is none is left to management.
func propertiesOf(fields map[string]json.RawMessage) map[string]json.RawMessage {
	var plain map[string]json.RawMessage
	if json.Unmarshal(fields["properties"], &plain) != nil {
		return nil
	}
	properties := make(map[string]json.RawMessage, len(plain))
	for name, value := range plain {
		properties[strings.ToLower(name)] = value
	}
	return properties
}

// noteUnknown: later versions of the API have properties that nobody knows here. They are left out, as Azure does.
func (c *call) noteUnknown(paths []string) {
	if len(paths) > 0 {
		c.h.log.Warn("resource API: properties that are not known have no effect", "properties", paths, "by", c.caller)
	}
}

// serveDelete gives the name back and takes back what was set, but nothing that keeps somebody out: see docs/azure-cli.md.
// The gateway goes on with the values of its configuration.
func serveDelete(c *call) error {
	if _, err := c.named(); err != nil {
		if e := asError(err); e.Status != http.StatusNotFound {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	_, err := c.change("delete", func(d *management.Document) error {
		*d = management.Document{
			Resource:   new(management.Resource),
			Properties: management.Properties{Access: d.Properties.Access, Stopped: d.Properties.Stopped, CORS: d.Properties.CORS, Firewall: d.Properties.Firewall, Hubgate: d.Properties.Hubgate},
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.h.options.Settings.Restart(c.context(), c.editor("delete")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}
