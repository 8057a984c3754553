package restapi

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func zipped(t testing.TB, content string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestContentEncodings(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	client := f.connect("chat", "c1", "u")
	send := func(body, coding string, edits ...edit) answer {
		return f.do("POST", "/api/hubs/chat/:send", body, append(edits, with("Content-Encoding", coding))...)
	}
	t.Run("gzip is decoded", func(t *testing.T) {
		for _, coding := range []string{"gzip", "GZIP", " x-gzip "} {
			send(zipped(t, helloJSON), coding).wantStatus(202)
			client.Want(ctx, "hello")
		}
		send(zipped(t, helloJSON), "gzip", unsized).wantStatus(202)
		client.Want(ctx, "hello")
		send(helloJSON, "identity").wantStatus(202)
		client.Want(ctx, "hello")
	})
	t.Run("any other is 415 and named", func(t *testing.T) {
		for _, coding := range []string{"br", "deflate", "gzip, gzip", "zstd"} {
			a := send(helloJSON, coding)
			a.wantError(415, codeRequestInvalid)
			require.Contains(t, a.body, coding)
			require.Equal(t, "gzip", a.header.Get("Accept-Encoding"))
			require.Equal(t, "UnsupportedContentEncoding", f.logged.take(t)[0]["reason"])
		}
		require.NotContains(t, send(helloJSON, strings.Repeat("x", 1000)).body, strings.Repeat("x", 100))
	})
	t.Run("what is no gzip is 400", func(t *testing.T) {
		for _, body := range []string{helloJSON, zipped(t, helloJSON)[:20], zipped(t, helloJSON) + "x", zipped(t, "")} {
			send(body, "gzip").wantError(400, codeRequestInvalid)
		}
		header, torn := zipped(t, helloJSON)[:10], "\xff\xff\xff\xff" // a block of a kind that there is not
		require.Contains(t, send(header+torn, "gzip").body, "not what its Content-Encoding says")
	})
	t.Run("operations without a body ignore it", func(t *testing.T) {
		f.do("PUT", "/api/hubs/chat/groups/g/connections/c1", "x", with("Content-Encoding", "br")).wantStatus(200)
	})
}

// counting tells how much of a body was read.
type counting struct {
	io.Reader
	read int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func TestDecodedBodiesHaveTheBoundOfOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine decodes much, for which the race detector takes long")
	}
	f := newFixture(t)
	f.limits.BodyBytes = 64 << 10
	send := func(body string, edits ...edit) answer {
		return f.do("POST", "/api/hubs/chat/:send", body, append(edits, with("Content-Encoding", "gzip"))...)
	}
	send(zipped(t, messageOf(64<<10))).wantStatus(202)
	send(zipped(t, messageOf(64<<10+1))).wantError(413, codeRequestInvalid)
	t.Run("a bomb is not unpacked", func(t *testing.T) {
		bomb := zipped(t, messageOf(32<<20))
		require.Less(t, len(bomb), 64<<10)
		wire := &counting{Reader: strings.NewReader(bomb)}
		a := send(bomb, func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(wire), -1 })
		a.wantError(413, codeRequestInvalid)
		require.Less(t, wire.read, len(bomb)/2)
	})
	t.Run("packed bytes count too", func(t *testing.T) {
		// Empty members, which decode to nothing.
		endless := strings.Repeat(zipped(t, ""), 10<<10)
		send(endless, unsized).wantError(413, codeRequestInvalid)
	})
}

// Whatever comes as gzip ends in an answer, and the bound holds.
func FuzzGzipBody(f *testing.F) {
	for _, seed := range []string{helloJSON, "", "\x1f\x8b", strings.Repeat("a", 5000)} {
		f.Add([]byte(zipped(f, seed)))
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		b := body{wire: bounded{from: io.NopCloser(bytes.NewReader(content)), left: 4096}, coding: codingGzip}
		b.decoded.left = 4096
		out, err := readAll(nil, &b)
		b.release()
		require.LessOrEqual(t, len(out), 4096)
		if err == nil && len(content) > 0 {
			r, err := gzip.NewReader(bytes.NewReader(content))
			require.NoError(t, err)
			want, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, string(want), string(out))
		}
	})
}

func TestSendsCountWhenAsked(t *testing.T) {
	f := newFixture(t)
	f.connect("chat", "c1", "ann")
	f.connect("chat", "c2", "ann")
	f.connect("chat", "c3", "bob")
	f.do("PUT", "/api/hubs/chat/groups/g/connections/c3", "").wantStatus(200)
	for target, want := range map[string]int{
		"/api/hubs/chat/:send": 3, "/api/hubs/chat/:send?excluded=c1": 2, "/api/hubs/other/:send": 0,
		"/api/hubs/chat/users/ann/:send": 2, "/api/v1/hubs/chat/users/nobody": 0, "/api/hubs/chat/connections/c1/:send": 1,
		"/api/hubs/chat/groups/g/:send": 1, "/api/hubs/chat/groups/g/:send?excluded=c3": 0,
	} {
		a := f.do("POST", target, helloJSON, with("X-Hubgate-Count", "true"))
		a.wantStatus(202)
		require.Equal(t, strconv.Itoa(want), a.header.Get("X-Hubgate-Matched"), target)
		require.Empty(t, f.do("POST", target, helloJSON).header.Get("X-Hubgate-Matched"))
	}
}

// What a handler keeps of a request stays that request's own.
func TestRoutesOfRequestsAreTheirOwn(t *testing.T) {
	f := newFixture(t)
	hubs := &recorder{}
	options := f.options()
	options.Hubs = hubs
	var kept []*call
	options.Hubs = keeper{hubs, func(c *call) { kept = append(kept, c) }}
	f.handler = New(options)
	f.do("POST", "/api/hubs/chat/users/ann/:send", helloJSON).wantStatus(202)
	f.do("POST", "/api/hubs/chat/groups/g/:send", helloJSON).wantStatus(202)
	require.Len(t, kept, 2)
	require.Equal(t, "ann", kept[0].route.URLParam("user"))
	require.Equal(t, "g", kept[1].route.URLParam("group"))
}

func TestUnknownTypesAreToldTheKnownOnes(t *testing.T) {
	f := newFixture(t)
	for _, header := range []string{"text/plain", "application/json; charset=utf-16", ""} {
		a := f.do("POST", "/api/hubs/chat/:send", helloJSON, with("Content-Type", header))
		a.wantError(415, codeRequestInvalid)
		for _, known := range []string{jsonType, msgpackType, octetType} {
			require.Contains(t, a.body, known, header)
		}
	}
}

// BenchmarkUnzipper compares decoders that are used again with new ones.
func BenchmarkUnzipper(b *testing.B) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(`{"target":"hello","arguments":[1]}`))
	_ = w.Close()
	read := func(z *gzip.Reader) {
		if z.Reset(bytes.NewReader(zipped.Bytes())) != nil {
			b.Fatal("no gzip")
		}
		_, _ = io.Copy(io.Discard, z)
	}
	b.Run("used again", func(b *testing.B) {
		b.ReportAllocs()
		z := new(gzip.Reader)
		for b.Loop() {
			read(z)
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(new(gzip.Reader))
		}
	})
}
