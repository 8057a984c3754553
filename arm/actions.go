package arm

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/management"
)

// keysView is the answer of listKeys and regenerateKey.
type keysView struct {
	PrimaryKey                string `json:"primaryKey"`
	SecondaryKey              string `json:"secondaryKey"`
	PrimaryConnectionString   string `json:"primaryConnectionString"`
	SecondaryConnectionString string `json:"secondaryConnectionString"`
}

// revealKeys is for answers to those who have asked for keys.
func revealKeys(k management.Keys) keysView {
	return keysView{
		PrimaryKey: k.Primary.Reveal(), SecondaryKey: k.Secondary.Reveal(),
		PrimaryConnectionString: k.PrimaryConnectionString.Reveal(), SecondaryConnectionString: k.SecondaryConnectionString.Reveal(),
	}
}

func serveListKeys(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	keys, err := c.h.options.Settings.Keys(c.context())
	if err != nil {
		return err
	}
	c.h.log.Info("resource API: keys shown", "to", c.caller)
	return c.json(http.StatusOK, revealKeys(keys))
}

func serveRegenerateKey(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	var asked struct {
		KeyType string `json:"keyType"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return badRequest("InvalidRequestContent", "The body must be a JSON object with keyType.")
	}
	kind, err := management.ParseKeyKind(asked.KeyType)
	if err != nil {
		return err
	}
	keys, err := c.h.options.Settings.RegenerateKey(c.context(), c.editor("regenerate key"), kind)
	if err != nil {
		return err
	}
	c.h.log.Info("resource API: key replaced", "kind", string(kind), "by", c.caller)
	c.accepted("keys")
	return c.json(http.StatusAccepted, revealKeys(keys))
}

func serveRestart(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	if err := c.h.options.Settings.Restart(c.context(), c.editor("restart")); err != nil {
		return err
	}
	c.h.log.Info("resource API: restarted: clients and hub servers were closed and may come back", "by", c.caller)
	c.accepted("restart")
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// accepted tells the caller where the result is. Everything is done before the answer; clients insist on asking.
func (c *call) accepted(operation string) {
	c.w.Header().Set("Location", c.base()+"/subscriptions/"+c.h.options.Place.Subscription+"/providers/"+namespace+"/locations/"+defaultLocation+
		"/operationResults/"+operation+"?api-version="+queryFold(c.r, "api-version"))
	c.w.Header().Set("Retry-After", "1")
}

// serveResult answers with the result of an operation that is done.
func serveResult(c *call) error {
	if c.values["operation"] != "keys" {
		return c.json(http.StatusOK, map[string]any{"status": "Succeeded"})
	}
	keys, err := c.h.options.Settings.Keys(c.context())
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, revealKeys(keys))
}

func serveCheckName(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	var asked struct{ Type, Name string }
	if err := json.Unmarshal(body, &asked); err != nil {
		return badRequest("InvalidRequestContent", "The body must be a JSON object with type and name.")
	}
	if !strings.EqualFold(asked.Type, resourceType) {
		return &Error{Status: http.StatusBadRequest, Code: "InvalidResourceType", Message: "The type must be " + resourceType + ".", Target: "type"}
	}
	r, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	no := func(reason, message string) error {
		return c.json(http.StatusOK, map[string]any{"nameAvailable": false, "reason": reason, "message": message})
	}
	switch {
	case !resourceName.MatchString(asked.Name):
		return no("Invalid", nameRule)
	case r.created && strings.EqualFold(r.name, asked.Name):
		return no("AlreadyExists", "The name is already taken: it is that of this gateway.")
	case r.created:
		return no("Invalid", "This gateway is one resource, and its name is "+r.name+".")
	}
	return c.json(http.StatusOK, map[string]any{"nameAvailable": true})
}
