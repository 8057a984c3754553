package management

import (
	"time"

	"github.com/hubgate/hubgate/settings"
)

// DocumentOf is what is in force: what is set, and for the rest what s has. S is what was made of the
// configuration with the same document over it.
func DocumentOf(s *settings.Settings, set Document) Document {
	p := &set.Properties
	mode := map[settings.Mode]string{settings.DefaultMode: "Default", settings.Serverless: "Serverless", settings.Classic: "Classic"}[s.Mode]
	if set, ok := p.Feature(FlagServiceMode); !ok || !equalFold(set, mode) {
		p.SetFeature(FlagServiceMode, mode)
	}
	if p.CORS == nil || len(p.CORS.AllowedOrigins) == 0 {
		p.CORS = &CORS{AllowedOrigins: s.CORS.AllowedOrigins}
	}
	if p.Serverless == nil {
		p.Serverless = new(Serverless)
	}
	fillSeconds(&p.Serverless.ConnectionTimeout, s.Clients.Timeout)
	fillSeconds(&p.Serverless.KeepAlive, s.Clients.KeepAlive)
	if p.Upstream == nil || p.Upstream.Templates == nil {
		p.Upstream = &Upstream{Templates: TemplatesOf(s.Upstream.Templates)}
	}
	if p.DisableLocalAuth == nil {
		p.DisableLocalAuth = &s.Auth.DisableLocalKeys
	}
	if p.DisableAADAuth == nil {
		p.DisableAADAuth = &s.Access.DisableIssuers
	}
	if p.PublicNetworkAccess == "" {
		p.PublicNetworkAccess = "Enabled"
	}
	if p.NetworkACLs == nil {
		p.NetworkACLs = openACLs()
	}
	if p.Stopped == "" {
		p.Stopped = "false"
	}
	if p.LiveTrace == nil {
		p.LiveTrace = &LiveTrace{}
	}
	if p.LiveTrace.Enabled == "" {
		p.LiveTrace.Enabled = map[bool]string{true: "true", false: "false"}[s.Trace.Live]
	}
	return set
}

// openACLs let everything in. They are what a new resource of Azure has.
func openACLs() *NetworkACLs {
	return &NetworkACLs{DefaultAction: deny, PublicNetwork: &NetworkACL{Allow: settings.RequestKinds()}}
}

func fillSeconds(to **int, d time.Duration) {
	if *to == nil {
		n := int(d / time.Second)
		*to = &n
	}
}

// TemplatesOf are webhooks in the shape of the document.
func TemplatesOf(templates []settings.Template) []Template {
	all := make([]Template, 0, len(templates))
	for _, t := range templates {
		one := Template{
			HubPattern: t.HubPattern.String(), CategoryPattern: t.CategoryPattern.String(), EventPattern: t.EventPattern.String(),
			URLTemplate: t.URLTemplate,
		}
		if t.Auth.Wanted {
			one.Auth = &TemplateAuth{Type: managedIdentity, ManagedIdentity: &ManagedIdentity{Resource: t.Auth.Resource}}
		}
		all = append(all, one)
	}
	return all
}
