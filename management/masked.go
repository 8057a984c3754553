package management

import (
	"github.com/hubgate/hubgate/webhook"
)

// masked returns a copy of the document without its secrets.
func (d Document) masked() Document {
	u := d.Properties.Upstream
	if u == nil {
		return d
	}
	templates := make([]Template, len(u.Templates))
	for i, t := range u.Templates {
		t.URLTemplate = webhook.RedactURL(t.URLTemplate)
		templates[i] = t
	}
	d.Properties.Upstream = &Upstream{Templates: templates}
	return d
}

// unmask gives templates whose URL is a masked one of before their URL back: the one at the same place if it
// has that mask, else the first.
func (d *Document) unmask(before *Document) {
	u, old := d.Properties.Upstream, before.Properties.Upstream
	if u == nil || old == nil {
		return
	}
	for i := range u.Templates {
		text := u.Templates[i].URLTemplate
		has := func(t Template) bool {
			return t.URLTemplate != text && webhook.RedactURL(t.URLTemplate) == text
		}
		if i < len(old.Templates) && has(old.Templates[i]) {
			u.Templates[i].URLTemplate = old.Templates[i].URLTemplate
			continue
		}
		for _, t := range old.Templates {
			if has(t) {
				u.Templates[i].URLTemplate = t.URLTemplate
				break
			}
		}
	}
}

// version is what readers are given of a record.
func (s *Service) version(r Record) Version {
	return Version{
		Revision: r.Revision, Time: r.Time, By: r.By, Note: r.Note, Changes: r.Changes,
		Document: s.opts.Node.Document(r.clone().Document).masked(), Set: r.clone().Document.masked(),
	}
}
