package management

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/webhook"
)

// masked returns a copy of the document without its secrets.
func (d Document) masked() Document {
	if u := d.Properties.Upstream; u != nil {
		d.Properties.Upstream = &Upstream{Templates: maskedTemplates(u.Templates)}
	}
	d.Properties.Hubgate = maskedOptions(d.Properties.Hubgate)
	return d
}

func maskedTemplates(templates []Template) []Template {
	all := make([]Template, len(templates))
	for i, t := range templates {
		t.URLTemplate = webhook.RedactURL(t.URLTemplate)
		all[i] = t
	}
	return all
}

// maskedOptions masks the webhooks among options. Options that cannot be read are left out.
func maskedOptions(options json.RawMessage) json.RawMessage {
	text, err := editOptionURLs(options, func(url string) (string, error) { return webhook.RedactURL(url), nil })
	if err != nil {
		return nil
	}
	return text
}

// unmask gives templates whose URL is a masked one of before their URL back. The error is an *InvalidError: it
// is not clear which URL is meant.
func (d *Document) unmask(before *Document) error {
	var p problems
	if u, old := d.Properties.Upstream, before.Properties.Upstream; u != nil && old != nil {
		p = unmaskTemplates(u.Templates, old.Templates)
	}
	if len(p) > 0 {
		return p.err()
	}
	return d.unmaskOptions(before)
}

const writeAgain = "is the masked form of several webhooks with other secrets: write its secret again"

// unmaskTemplates changes templates where they are.
func unmaskTemplates(templates, before []Template) (p problems) {
	shown, old := maskedTemplates(templates), maskedTemplates(before)
	for i := range templates {
		text := templates[i].URLTemplate
		var urls []string
		stays := true // all templates with this mask are where they were, as they were
		for j, b := range before {
			if b.URLTemplate == text || old[j].URLTemplate != text {
				continue
			}
			urls = append(urls, b.URLTemplate)
			stays = stays && j < len(shown) && reflect.DeepEqual(shown[j], old[j])
		}
		slices.Sort(urls)
		switch urls = slices.Compact(urls); {
		case len(urls) == 1:
			templates[i].URLTemplate = urls[0]
		case len(urls) > 1 && stays && i < len(before) && old[i].URLTemplate == text:
			templates[i].URLTemplate = before[i].URLTemplate
		case len(urls) > 1:
			p.add(fmt.Sprintf("properties.upstream.templates[%d].urlTemplate", i), writeAgain)
		}
	}
	return p
}

// unmaskOptions is unmask for the webhooks among options. If those are shown as they were, they are.
func (d *Document) unmaskOptions(before *Document) error {
	was := before.Properties.Hubgate
	if len(d.Properties.Hubgate) == 0 || len(was) == 0 || bytes.Equal(d.Properties.Hubgate, was) {
		return nil
	}
	var old []string
	if _, err := editOptionURLs(was, func(url string) (string, error) {
		old = append(old, url)
		return url, nil
	}); err != nil {
		return err
	}
	var shown []string
	if _, err := editOptionURLs(d.Properties.Hubgate, func(url string) (string, error) {
		shown = append(shown, webhook.RedactURL(url))
		return url, nil
	}); err != nil {
		return err
	}
	same := slices.EqualFunc(shown, old, func(s, o string) bool { return s == webhook.RedactURL(o) })
	at := -1
	text, err := editOptionURLs(d.Properties.Hubgate, func(url string) (string, error) {
		at++
		var urls []string
		for _, o := range old {
			if o != url && webhook.RedactURL(o) == url {
				urls = append(urls, o)
			}
		}
		slices.Sort(urls)
		switch urls = slices.Compact(urls); {
		case len(urls) == 0:
			return url, nil
		case len(urls) == 1:
			return urls[0], nil
		case same:
			return old[at], nil
		}
		return "", invalid(fmt.Sprintf("properties.hubgate.upstream.templates[%d]", at), writeAgain+", in properties.upstream")
	})
	if err == nil {
		d.Properties.Hubgate = text
	}
	return err
}

// editOptionURLs returns options with the URLs of their webhooks as edit has them. Options are written as the
// configuration file has them: each webhook is a URL, or an object with urlTemplate. Options without webhooks
// are returned as they are. What is no webhook in their place is masked whole.
func editOptionURLs(options json.RawMessage, edit func(url string) (string, error)) (json.RawMessage, error) {
	if len(bytes.TrimSpace(options)) == 0 {
		return options, nil
	}
	v, err := decodeOne(options)
	if err != nil {
		return nil, invalid("properties.hubgate", err.Error())
	}
	all, _ := v.(map[string]any)
	found := false
	in := func(fields map[string]any, key string) error {
		for _, name := range sortedNames(fields) {
			if equalFold(name, key) {
				found = true
				if fields[name], err = editURLs(fields[name], edit); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := in(all, "upstream.templates"); err != nil {
		return nil, err
	}
	for _, name := range sortedNames(all) {
		if upstream, ok := all[name].(map[string]any); ok && equalFold(name, "upstream") {
			if err := in(upstream, "templates"); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		return options, nil
	}
	return json.Marshal(all)
}

func editURLs(v any, edit func(url string) (string, error)) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return edit(v)
	case []any:
		for i := range v {
			if v[i], err = editURLs(v[i], edit); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		for _, name := range sortedNames(v) {
			if equalFold(name, "urlTemplate") {
				if v[name], err = editURLs(v[name], edit); err != nil {
					return nil, err
				}
			}
		}
		return v, nil
	case nil:
		return nil, nil
	}
	return secret.Redacted, nil
}

// version is what readers are given of a record.
func (s *Service) version(r Record) Version {
	return Version{
		Revision: r.Revision, Time: r.Time, By: r.By, Note: r.Note, Changes: r.Changes,
		Document: s.opts.Node.Document(r.clone().Document).masked(), Set: r.clone().Document.masked(),
	}
}
