package config

import (
	"bytes"
	"encoding"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// Redacted returns the effective configuration as a YAML file with every
// option, upstream templates and the modes of hubs included: keys are masked, and in URLs user info
// and the values of the query. It reads settings.json as [Config.Settings] does.
func (c *Config) Redacted() ([]byte, error) {
	templates, source, err := c.templates()
	if err != nil {
		return nil, err
	}
	if source == c.SettingsFile() { // read without having been named
		shown := *c
		shown.Files.Settings = source
		c = &shown
	}
	hubs, err := c.hubs()
	if err != nil {
		return nil, err
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	sections := make(map[string]*yaml.Node)
	for _, b := range bind(c) {
		if b.key == "" {
			continue
		}
		into, name := root, b.key
		if section, rest, ok := strings.Cut(b.key, "."); ok {
			if sections[section] == nil {
				sections[section] = &yaml.Node{Kind: yaml.MappingNode}
				put(root, section, sections[section])
			}
			into, name = sections[section], rest
		}
		put(into, name, valueNode(b.value.Interface()))
	}
	put(sections["upstream"], "templates", templatesNode(templates))
	put(root, hubsKey, hubsNode(hubs))
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

func put(into *yaml.Node, key string, value *yaml.Node) {
	into.Content = append(into.Content, textNode(key), value)
}

// textNode lets yaml decide whether the text needs quotes.
func textNode(text string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(text)
	return n
}

func plainNode(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

func valueNode(value any) *yaml.Node {
	switch v := value.(type) {
	case bool:
		return plainNode("!!bool", fmt.Sprint(v))
	case int:
		return plainNode("!!int", fmt.Sprint(v))
	case time.Duration:
		return textNode(durationText(v))
	case []string:
		return listNode(v, textNode)
	case []Prefix:
		return listNode(v, func(p Prefix) *yaml.Node { return textNode(p.String()) })
	case encoding.TextMarshaler: // also secret.Text, which masks itself
		text, err := v.MarshalText()
		if err != nil {
			return textNode(err.Error())
		}
		return textNode(string(text))
	default:
		return textNode(fmt.Sprint(v))
	}
}

func listNode[T any](items []T, node func(T) *yaml.Node) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if len(items) == 0 {
		list.Style = yaml.FlowStyle
	}
	for _, item := range items {
		list.Content = append(list.Content, node(item))
	}
	return list
}

func templatesNode(templates []settings.Template) *yaml.Node {
	return listNode(templates, func(t settings.Template) *yaml.Node {
		n := &yaml.Node{Kind: yaml.MappingNode}
		put(n, "urlTemplate", textNode(webhook.RedactURL(t.URLTemplate)))
		put(n, "hubPattern", patternNode(t.HubPattern))
		put(n, "categoryPattern", patternNode(t.CategoryPattern))
		put(n, "eventPattern", patternNode(t.EventPattern))
		return n
	})
}

func patternNode(p webhook.Pattern) *yaml.Node {
	if p == webhook.NoPattern() {
		return plainNode("!!null", "null")
	}
	return textNode(p.String())
}

// durationText writes 1m40s, and 5m instead of 5m0s.
func durationText(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
