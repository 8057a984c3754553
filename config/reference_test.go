package config

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

const referencePath = "../docs/configuration.md"

var update = flag.Bool("update", false, "write "+referencePath)

func TestReferenceIsCurrent(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(referencePath, Reference(), 0o644))
	}
	page, err := os.ReadFile(referencePath)
	require.NoError(t, err)
	require.Equal(t, string(Reference()), string(page), "go generate ./config writes the page")
}

func TestReferenceNamesEveryOption(t *testing.T) {
	page := string(Reference())
	for _, o := range options() {
		flag := "`--" + o.flag + "`<br>"
		if o.noFlag {
			flag = ""
		}
		require.Contains(t, page, "| "+flag+"`"+o.env+"` |")
		require.NotEmpty(t, o.help, o.flag)
	}
	require.Contains(t, page, "| `--limits-rest-body-bytes`<br>`HUBGATE_LIMITS_REST_BODY_BYTES` | `limits.restBodyBytes` | size | `1MiB` |")
	require.Contains(t, page, "| `--config`<br>`HUBGATE_CONFIG` | – | text | – |")
}

// TestReferenceExample reads the YAML and JSON examples of the page.
func TestReferenceExamples(t *testing.T) {
	examples := regexp.MustCompile("(?s)```(yaml|json)\n(.*?)```").FindAllSubmatch(referenceIntro, -1)
	require.Len(t, examples, 3)

	t.Chdir(t.TempDir())
	read := func(text []byte) settings.Settings {
		require.NoError(t, os.WriteFile("hubgate.yaml", text, 0o600))
		c := new(Config)
		parser, err := kong.New(c, Options()...)
		require.NoError(t, err)
		_, err = parser.Parse([]string{"--config=hubgate.yaml"})
		require.NoError(t, err)
		s, err := c.Settings()
		require.NoError(t, err)
		return s
	}
	s := read(examples[0][2])
	require.Len(t, s.Upstream.Templates, 2)
	s = read(examples[1][2])
	require.Equal(t, settings.DefaultMode, s.ModeOf("chat"))
	require.Equal(t, settings.Classic, s.ModeOf("app_news"))

	list, err := parseSettingsFile(examples[2][2])
	require.NoError(t, err)
	require.Len(t, list, 1)
}

// TestNamesAgree checks the three names of each option against each other, that
// none is taken twice, and that no variable is one that Kubernetes sets in every
// container beside a service named hubgate.
func TestNamesAgree(t *testing.T) {
	seen := make(map[string]bool)
	separators := strings.NewReplacer("-", "", "_", "", ".", "")
	withoutSeparators := func(name string) string { return strings.ToLower(separators.Replace(name)) }
	for _, o := range options() {
		for _, name := range []string{"--" + o.flag, o.env, o.key} {
			require.False(t, name != "" && seen[name], "%s is taken twice", name)
			seen[name] = true
		}
		require.NotRegexp(t, "^HUBGATE_(SERVICE_|PORT$|PORT_)", o.env)
		require.Equal(t, withoutSeparators(o.flag), withoutSeparators(strings.TrimPrefix(o.env, "HUBGATE_")))
		if o.key != "" {
			require.Equal(t, withoutSeparators(o.flag), withoutSeparators(o.key))
		}
	}
}
