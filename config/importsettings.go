package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// ImportSettingsFile reads the text of a settings.json of Microsoft's emulator, if it is one: it has the
// section UpstreamSettings. Ignored are what has no meaning here.
func ImportSettingsFile(text []byte) (templates []settings.Template, ignored []string, isOne bool, err error) {
	plain, err := plainJSON(utf8Text(text))
	if err != nil {
		return nil, nil, false, err
	}
	r := settingsReader{json: json.NewDecoder(bytes.NewReader(plain)), data: plain}
	r.json.UseNumber()
	root := new(section)
	if err := r.file(root); err != nil {
		return nil, nil, false, err
	}
	upstream := root.at("UpstreamSettings")
	if upstream == nil {
		return nil, nil, false, nil
	}
	all, err := parseSettingsFile(utf8Text(text))
	if err != nil {
		return nil, nil, true, err
	}
	for _, t := range all {
		if none := webhook.NoPattern(); t.HubPattern == none || t.CategoryPattern == none || t.EventPattern == none {
			ignored = append(ignored, "UpstreamSettings:Templates: "+webhook.RedactURL(t.URLTemplate)+" (a pattern that is null matches nothing)")
			continue
		}
		templates = append(templates, t)
	}
	for _, name := range slices.Sorted(maps.Keys(root.children)) {
		if root.children[name] != upstream {
			ignored = append(ignored, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(upstream.children)) {
		if name != "templates" {
			ignored = append(ignored, "UpstreamSettings:"+name)
		}
	}
	return templates, ignored, true, nil
}
