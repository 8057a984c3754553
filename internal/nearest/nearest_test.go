package nearest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHint(t *testing.T) {
	known := []string{"default", "serverless", "classic", "upstream.timeout", "clients.timeout", "templates.urlTemplate"}
	for word, want := range map[string]string{
		"defalt": `; did you mean "default"?`, "DEFAULT": `; did you mean "default"?`,
		"timeout": `; did you mean "upstream.timeout" or "clients.timeout"?`,
		"url":     `; did you mean "templates.urlTemplate"?`,
		"x":       "", "nonsense": "", strings.Repeat("default", 100): "",
	} {
		require.Equal(t, want, Hint(word, known), word)
	}
}
