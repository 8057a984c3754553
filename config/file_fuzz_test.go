package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzConfigFile checks that a file is refused or yields only options that
// exist, and that no error shows what a key's value is.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"listen: [localhost:1]\nupstream:\n  timeout: 3s\n  templates:\n    - http://h/{hub}\n    - {urlTemplate: http://h, hubPattern: a}\n",
		`{"limits": {"hubs": 7}, "cors.allowedOrigins": ["*"]}`, "acessKey: x", "a: &a [*a]", "accessKey: {x: y}", "---\n---\n", "? [a]\n: b",
		"upstream: {<<: {a: b}}", "limits:\n hubs: !!int 5", "\ufeffnode: 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := parseFile("c.yaml", data)
		if err != nil {
			require.Contains(t, err.Error(), "c.yaml")
			return
		}
		for key, value := range parsed.values {
			o, ok := optionsByKey()[key]
			require.True(t, ok, "unknown key %q", key)
			require.Positive(t, parsed.lines[key])
			if list, ok := value.([]any); ok {
				require.True(t, strings.HasPrefix(o.kind, "list"), "%s is a list: %v", key, list)
			}
		}
		if len(parsed.templates) > 0 {
			require.True(t, parsed.has(templatesKey))
		}
	})
}
