package management

import (
	"regexp"
	"strings"
)

// pathsOf are the paths of fields whose value the settings know under another name.
var pathsOf = []struct{ name, path string }{
	{"mode", "properties.features[" + FlagServiceMode + "]"},
	{"cors.allowedOrigins", "properties.cors.allowedOrigins"},
	{"clients.timeout", "properties.serverless.connectionTimeoutInSeconds"},
	{"clients.keepAlive", "properties.serverless.keepAliveIntervalInSeconds"},
	{"upstream.templates", "properties.upstream.templates"},
	{"auth.disableLocalKeys", "properties.disableLocalAuth"},
	{"access.ipRules", "properties.networkACLs.ipRules"},
	{"access", "properties.networkACLs"},
	{"firewall", "properties.applicationFirewall"},
	{"accessKey", "keys.primary"},
	{"secondaryKey", "keys.secondary"},
}

var settingName = regexp.MustCompile(`^(?:shared settings:\d+: |the settings \(hubgate upstream list\): )?([A-Za-z][\w.]*(?:\[\d+\])?[\w.]*):? (.*)$`)

// Refusal makes an *InvalidError of what settings and options have against a record: errors that begin
// with the name of a setting, one a line or joined. Set says whether the document has a field for it: else
// it is one of properties.hubgate.
func Refusal(err error, set *Document) error {
	if err == nil {
		return nil
	}
	var p problems
	for line := range strings.SplitSeq(err.Error(), "\n") {
		found := settingName.FindStringSubmatch(line)
		if found == nil {
			p.add("", "%s", line)
			continue
		}
		p.add(pathOf(found[1], set), "%s", strings.TrimPrefix(found[2], ": "))
	}
	return p.err()
}

func pathOf(name string, set *Document) string {
	for _, known := range pathsOf {
		if rest, ok := strings.CutPrefix(name, known.name); ok && (rest == "" || strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "[")) && isSet(known.path, set) {
			return known.path + rest
		}
	}
	return "properties.hubgate." + name
}

// isSet says whether the document sets the field itself.
func isSet(path string, set *Document) bool {
	fields := map[string]any{}
	leaves(*set, fields)
	path, _, list := strings.Cut(path, "[")
	_ = list
	for leaf := range fields {
		if strings.HasPrefix(leaf, path) || strings.HasPrefix(path, leaf+".") {
			return true
		}
	}
	return strings.HasPrefix(path, "keys.")
}
