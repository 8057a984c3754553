package config

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// templates reads the list under upstream.templates: each a map, or a text as
// after --upstream.
func (p *fileParser) templates(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "%s must be a list", templatesKey)
		return
	}
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			if text, ok := p.text(templatesKey, item); ok {
				p.file.templates = append(p.file.templates, shorthands(text)...)
			}
			continue
		}
		p.file.templates = append(p.file.templates, p.template(item))
	}
}

func (p *fileParser) template(n *yaml.Node) settings.Template {
	var t settings.Template
	pattern := func(to *webhook.Pattern) func(string) {
		return func(text string) { *to = webhook.PatternOf(text) }
	}
	known := []string{"urlTemplate", "hubPattern", "categoryPattern", "eventPattern"}
	set := []func(text string){
		func(text string) { t.URLTemplate = text },
		pattern(&t.HubPattern), pattern(&t.CategoryPattern), pattern(&t.EventPattern),
	}
	p.pairs("a template", n, func(key string, keyNode, value *yaml.Node) {
		if key == authKey {
			t.Auth = p.auth(value)
			return
		}
		for i, name := range known {
			if name == key {
				if text, ok := p.text(key, value); ok {
					set[i](text)
				}
				return
			}
		}
		p.fail(keyNode, "%s: %w", templatesKey, unknownKey(key, append(known, authKey)))
	})
	return t
}

const authKey = "auth"

// managedIdentity is the type of auth in Azure's own notation; there it has a map of the same name, with
// the resource. None is the other type.
const managedIdentity = "ManagedIdentity"

// auth reads what token a webhook wants: scope, audience or resource, or Azure's notation.
func (p *fileParser) auth(n *yaml.Node) settings.TemplateAuth {
	auth := settings.TemplateAuth{Wanted: true}
	known := map[string]*string{"scope": &auth.Scope, "audience": &auth.Audience, "resource": &auth.Resource}
	p.pairs(authKey, n, func(key string, keyNode, value *yaml.Node) {
		switch to := known[key]; {
		case to != nil:
			*to, _ = p.text(key, value)
		case key == "type":
			text, ok := p.text(key, value)
			auth.Wanted = strings.EqualFold(text, managedIdentity)
			if ok && !auth.Wanted && !strings.EqualFold(text, "None") {
				p.fail(value, "%s: %q is neither %s nor None", authKey, text, managedIdentity)
			}
		case key == "managedIdentity":
			p.pairs(key, value, func(key string, keyNode, value *yaml.Node) {
				if key != "resource" {
					p.fail(keyNode, "%s: %w", authKey, unknownKey(key, []string{"resource"}))
					return
				}
				auth.Resource, _ = p.text(key, value)
			})
		default:
			p.fail(keyNode, "%s: %w", authKey, unknownKey(key, []string{"scope", "audience", "resource", "type", "managedIdentity"}))
		}
	})
	if !auth.Wanted {
		return settings.TemplateAuth{}
	}
	return auth
}

// shorthands reads what --upstream takes: [HUBS=]URL, or several with commas
// between them. A comma ends a URL only where another one begins: other commas
// are part of the URL, or of the list of hubs. [webhook.Echo] is such a URL; other entries follow
// those with slashes only.
func shorthands(text string) (list []settings.Template) {
	for text != "" {
		end := len(text)
		for i := strings.Index(text, "://"); i >= 0 && i < len(text); i++ {
			if text[i] == ',' && nextShorthand.MatchString(text[i+1:]) {
				end = i
				break
			}
		}
		list = append(list, shorthand(strings.TrimSpace(text[:end])))
		text = text[min(end+1, len(text)):]
	}
	return list
}

// nextShorthand is how another entry begins.
var nextShorthand = regexp.MustCompile(`^\s*([A-Za-z*!][^:/?={}&]*=)?((?i:https?://)|` + webhook.Echo + `\s*(,|$))`)

// shorthand reads [HUBS=]URL: a template for all events, or for those of the
// hubs. No hub's name holds what the beginning of every URL template does, ":"
// or "{".
func shorthand(text string) settings.Template {
	hubs, url, found := strings.Cut(text, "=")
	if !found || strings.ContainsAny(hubs, ":/?{") {
		return settings.Template{URLTemplate: text}
	}
	return settings.Template{URLTemplate: url, HubPattern: webhook.PatternOf(hubs)}
}
