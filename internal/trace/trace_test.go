package trace

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewIDsAreThoseOfTheirParents(t *testing.T) {
	id, parent := New()
	other, _ := New()
	require.NotEqual(t, id, other)
	require.Regexp(t, `^00-`+id+`-[0-9a-f]{16}-01$`, parent)
	header := make(http.Header)
	header.Set("traceparent", parent)
	require.Equal(t, id, Of(header))
}

func TestIDsOfRequests(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	cases := []struct {
		name, request, parent, want string
	}{
		{"none", "", "", ""},
		{"a request id", "order-7/3", parent, "order-7/3"},
		{"a traceparent", "", parent, "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"a traceparent of a later version", "", "cc" + parent[2:] + "-more", "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"no version ff", "", "ff" + parent[2:], ""},
		{"zeros", "", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
		{"upper case", "", strings.ToUpper(parent), ""},
		{"short", "", parent[:40], ""},
		{"without dashes", "", strings.ReplaceAll(parent, "-", "0"), ""},
		{"a request id that is too long", strings.Repeat("x", maxID+1), parent, "4bf92f3577b34da6a3ce929d0e0e4736"},
		{"a request id that would break a log", "a b", "", ""},
		{"control characters", "a\nb", "", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			header := make(http.Header)
			if tc.request != "" {
				header["X-Request-Id"] = []string{tc.request}
			}
			if tc.parent != "" {
				header["Traceparent"] = []string{tc.parent}
			}
			require.Equal(t, tc.want, Of(header))
			require.Zero(t, testing.AllocsPerRun(10, func() { Of(header) }))
		})
	}
}

func TestTheTracingIDOfARequest(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	header := make(http.Header)
	header.Set("traceparent", parent)
	header.Set("X-ASRS-Message-Tracing-Id", "18446744073709551615")
	require.Equal(t, "18446744073709551615", Of(header), "not the trace, which HTTP clients add by themselves")
	require.Zero(t, testing.AllocsPerRun(10, func() { Of(header) }))
	header.Set("X-Request-Id", "order-7")
	require.Equal(t, "order-7", Of(header))
	header.Del("X-Request-Id")
	header.Set("X-ASRS-Message-Tracing-Id", "no id")
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", Of(header))
}

func FuzzOf(f *testing.F) {
	f.Add("a", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, request, parent string) {
		id := Of(http.Header{"X-Request-Id": {request}, "Traceparent": {parent}})
		require.True(t, id == "" || valid(id))
	})
}
