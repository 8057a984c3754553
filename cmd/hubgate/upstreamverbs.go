package main

import (
	"fmt"
	"strings"

	"github.com/hubgate/hubgate/management"
)

// printTemplates prints the webhooks of the running gateway.
func (c *managing) printTemplates(env *environment) error {
	v, _, err := c.current(env.ctx)
	if err != nil {
		return err
	}
	return c.printThese(env, &v)
}

func (c *managing) printThese(env *environment, v *management.Version) error {
	var rows [][]string
	for i, t := range v.Document.Properties.Upstream.Templates {
		any := func(pattern string) string {
			if pattern == "" {
				return "*"
			}
			return pattern
		}
		rows = append(rows, []string{fmt.Sprint(i), any(t.HubPattern), any(t.CategoryPattern), any(t.EventPattern), t.URLTemplate})
	}
	return c.print(env, v.Document.Properties.Upstream, []string{"", "HUB", "CATEGORY", "EVENT", "URL"}, rows)
}

type upstreamUpdateCommand struct {
	changing
	Template []string `help:"A webhook: url-template=URL, and after spaces hub-pattern=, category-pattern=, event-pattern=, auth-type=None or ManagedIdentity, auth-resource=; repeatable, in the order in which they are searched." placeholder:"WORDS" sep:"none" required:""`
}

// Run replaces the webhooks of the running gateway.
func (c *upstreamUpdateCommand) Run(env *environment) error {
	templates := make([]management.Template, 0, len(c.Template))
	for _, text := range c.Template {
		t, err := parseTemplate(text)
		if err != nil {
			return usage(err)
		}
		templates = append(templates, t)
	}
	return c.replace(env, templates)
}

// parseTemplate reads the words of a webhook, which az has too.
func parseTemplate(text string) (t management.Template, err error) {
	auth := func() *management.TemplateAuth {
		if t.Auth == nil {
			t.Auth = new(management.TemplateAuth)
		}
		return t.Auth
	}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		switch strings.ToLower(name) {
		case "url-template":
			t.URLTemplate = value
		case "hub-pattern":
			t.HubPattern = value
		case "category-pattern":
			t.CategoryPattern = value
		case "event-pattern":
			t.EventPattern = value
		case "auth-type":
			auth().Type = value
		case "auth-resource":
			auth().Type, auth().ManagedIdentity = "ManagedIdentity", &management.ManagedIdentity{Resource: value}
		default:
			return t, fmt.Errorf("--template: %q is none of url-template, hub-pattern, category-pattern, event-pattern, auth-type and auth-resource", name)
		}
	}
	return t, nil
}

func (c *changing) replace(env *environment, templates []management.Template) error {
	v, err := c.change(env, func(*management.Properties) (map[string]any, error) {
		return map[string]any{"upstream": management.Upstream{Templates: templates}}, nil
	})
	if err != nil {
		return err
	}
	return c.printThese(env, &v)
}

type upstreamClearCommand struct{ changing }

// Run takes all webhooks away.
func (c *upstreamClearCommand) Run(env *environment) error {
	return c.replace(env, []management.Template{})
}
