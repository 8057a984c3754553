package telemetry

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	collecttraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

func answered(t testing.TB, rejected int64, said string) []byte {
	body, err := proto.Marshal(&collecttraces.ExportTraceServiceResponse{
		PartialSuccess: &collecttraces.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: said},
	})
	require.NoError(t, err)
	return body
}

func TestAnswersOfCollectors(t *testing.T) {
	some := string(answered(t, 2, "too\nlong"))
	none := string(answered(t, 0, "old version"))
	failed := some[2:] // google.rpc.Status has the same form
	for name, c := range map[string]struct {
		status     int
		kind, body string
		items      uint64 // of a rejection
		want       string // "" for no error
	}{
		"taken":                      {200, protobuf, "", 0, ""},
		"taken, with another status": {202, "", "ok", 0, ""},
		"taken, in JSON":             {200, "application/json", "{}", 0, ""},
		"taken without two":          {200, protobuf, some, 2, "the collector has not taken 2: too long"},
		"a kind with a parameter":    {200, protobuf + "; x=y", some, 2, "the collector has not taken 2: too long"},
		"a word about all":           {200, protobuf, none, 0, "the collector has not taken 0: old version"},
		"a negative number":          {200, protobuf, string(answered(t, -1, "x")), 0, "the collector has not taken 0: x"},
		"no OTLP":                    {200, protobuf, "\x0a\x05", 0, "the collector's answer: not OTLP"},
		"too long":                   {200, protobuf, strings.Repeat("\x10\x00", maxAnswer), 0, "the collector's answer has more than 65536 bytes"},
		"an error":                   {400, "text/plain", "no\x1b[1m é\n", 0, "the collector answered 400 Bad Request: no [1m é"},
		"an error of OTLP":           {400, protobuf, failed, 0, "the collector answered 400 Bad Request: too long"},
		"an error with a long page":  {500, "text/html", strings.Repeat("é", maxAnswer), 0, "the collector answered 500 Internal Server Error: " + strings.Repeat("é", maxSaid/2)},
		"an error with a cut letter": {500, "text/html", "a" + strings.Repeat("é", maxSaid), 0, "the collector answered 500 Internal Server Error: a" + strings.Repeat("é", maxSaid/2-1)},
		"a status that nobody knows": {799, "", "", 0, "the collector answered 799"},
		"a redirect":                 {307, "", "", 0, "the collector answered 307 Temporary Redirect: redirects are not followed, since headers may be keys, which are not for another host"},
	} {
		t.Run(name, func(t *testing.T) {
			err := readAnswer(&http.Response{
				StatusCode: c.status, Header: http.Header{"Content-Type": {c.kind}}, Body: io.NopCloser(strings.NewReader(c.body)),
			})
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
			said, ok := errors.AsType[*rejection](err)
			require.Equal(t, strings.Contains(c.want, "has not taken"), ok)
			if ok {
				require.Equal(t, c.items, said.items)
			}
		})
	}
}

// FuzzAnswer compares with the library's decoder.
func FuzzAnswer(f *testing.F) {
	f.Add(answered(f, 2, "too long"))
	f.Add(append(answered(f, 1, "a"), answered(f, 0, "b")...))
	f.Add([]byte("\x0a\x06\x0b\x10\x01\x0c\x08\x05"))
	f.Add([]byte("\x0a\x03\x08\xff"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		got, err := partialSuccess(answer)
		var want collecttraces.ExportTraceServiceResponse
		if proto.Unmarshal(answer, &want) != nil {
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.PartialSuccess.GetRejectedSpans(), got.number)
		require.Equal(t, want.PartialSuccess.GetErrorMessage(), got.text)
	})
}
