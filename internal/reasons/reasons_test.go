package reasons

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const pagePath = "../../docs/errors.md"

var update = flag.Bool("update", false, "write "+pagePath)

func TestPageIsCurrent(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(pagePath, Page(), 0o644))
	}
	page, err := os.ReadFile(pagePath)
	require.NoError(t, err)
	require.Equal(t, string(Page()), string(page), "go generate ./internal/reasons writes the page")
}

func TestEveryReasonHasACauseAndACure(t *testing.T) {
	anchors := map[string]bool{}
	for _, l := range Lists() {
		require.NotEmpty(t, l.Reasons, l.Title)
		require.NotEmpty(t, l.Metric+l.Line, l.Title)
		for _, r := range l.Reasons {
			for _, text := range []string{r.Cause, r.Cure} {
				require.True(t, strings.HasSuffix(text, "."), "%s: whole sentences: %q", r.Name, text)
			}
			require.False(t, anchors[l.Fragment(r.Name)], "twice: %s", l.Fragment(r.Name))
			anchors[l.Fragment(r.Name)] = true
		}
	}
}

func TestSee(t *testing.T) {
	require.Equal(t, "close-slowclient", See("connection closed", "reason", "SlowClient"))
	require.Equal(t, "webhook-too-large", See("webhook called", "result", "too_large"))
	require.Equal(t, "loss-filter", See(losses.Line, "reason", "Filter"))
	for _, nothing := range [][3]string{
		{"connection closed", "reason", "Normal"}, {"connection closed", "text", "SlowClient"}, {"connection closed", "reason", "?"},
		{"", "", "SlowClient"}, {"other", "reason", "SlowClient"},
	} {
		require.Empty(t, See(nothing[0], nothing[1], nothing[2]))
	}
}
