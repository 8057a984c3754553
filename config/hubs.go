package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hubgate/hubgate/settings"
)

// hubs reads the map under hubs: what single hubs have for themselves. Their
// names count in any letter case.
func (p *fileParser) hubs(n *yaml.Node) {
	p.file.hubs = make(map[string]settings.Hub)
	p.pairs(hubsKey, n, func(name string, nameNode, value *yaml.Node) {
		key := strings.ToLower(name)
		if _, again := p.file.hubs[key]; again {
			p.fail(nameNode, "%s: %q is given twice", hubsKey, name)
			return
		}
		var hub settings.Hub
		what := hubsKey + "." + name
		p.pairs(what, value, func(key string, keyNode, value *yaml.Node) {
			if text, ok := p.text(what+"."+key, value); ok {
				p.hub(&hub, what, key, text, keyNode, value)
			}
		})
		p.file.hubs[key] = hub
	})
}

// hub reads one key of a hub.
func (p *fileParser) hub(hub *settings.Hub, what, key, text string, keyNode, value *yaml.Node) {
	var err error
	switch key {
	case "mode":
		err = hub.Mode.UnmarshalText([]byte(text))
	case "faults":
		if hub.Faults, err = strconv.ParseBool(text); err != nil {
			err = fmt.Errorf("%q is neither true nor false", text)
		}
	default:
		p.fail(keyNode, "%s: %w", what, unknownKey(key, []string{"mode", "faults"}))
	}
	if err != nil {
		p.fail(value, "%s.%s: %w", what, key, err)
	}
}

// hubs returns what the nodes share of single hubs, else what the file says of single hubs, and over it --hub-mode and --faults-hub; nil
// if neither says anything.
func (c *Config) hubs() (map[string]settings.Hub, error) {
	if c.shared.has(hubsKey) {
		return maps.Clone(c.shared.hubs), nil
	}
	hubs := make(map[string]settings.Hub)
	if c.file != nil {
		maps.Copy(hubs, c.file.hubs)
	}
	named := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(c.Service.HubMode)) {
		key := strings.ToLower(name)
		if named[key] {
			return nil, fmt.Errorf("--hub-mode: hub %q is given twice", key)
		}
		named[key] = true
		hub := hubs[key]
		hub.Mode = settings.Mode(c.Service.HubMode[name])
		hubs[key] = hub
	}
	for _, name := range c.Service.FaultsHub {
		hub := hubs[strings.ToLower(name)]
		hub.Faults = true
		hubs[strings.ToLower(name)] = hub
	}
	if len(hubs) == 0 {
		return nil, nil
	}
	return hubs, nil
}

func hubsNode(hubs map[string]settings.Hub) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if len(hubs) == 0 {
		n.Style = yaml.FlowStyle
	}
	for _, name := range slices.Sorted(maps.Keys(hubs)) {
		hub := &yaml.Node{Kind: yaml.MappingNode}
		if mode := hubs[name].Mode; mode != "" {
			put(hub, "mode", textNode(string(mode)))
		}
		if hubs[name].Faults {
			put(hub, "faults", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
		}
		if len(hub.Content) == 0 {
			hub.Style = yaml.FlowStyle
		}
		put(n, name, hub)
	}
	return n
}
