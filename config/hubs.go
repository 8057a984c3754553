package config

import (
	"fmt"
	"maps"
	"slices"
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
			if key != "mode" {
				p.fail(keyNode, "%s: %w", what, unknownKey(key, []string{"mode"}))
			} else if text, ok := p.text(what+".mode", value); ok {
				if err := hub.Mode.UnmarshalText([]byte(text)); err != nil {
					p.fail(value, "%s.mode: %w", what, err)
				}
			}
		})
		p.file.hubs[key] = hub
	})
}

// hubs returns what the nodes share of single hubs, else what the file says of single hubs, and over it --hub-mode; nil
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
		hubs[key] = settings.Hub{Mode: settings.Mode(c.Service.HubMode[name])}
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
		} else {
			hub.Style = yaml.FlowStyle
		}
		put(n, name, hub)
	}
	return n
}
