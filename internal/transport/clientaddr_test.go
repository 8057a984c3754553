package transport

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		"no proxy":                          {"192.0.2.1:5", nil, nil, "192.0.2.1"},
		"IPv6":                              {"[2001:db8::1]:5", nil, nil, "2001:db8::1"},
		"zone and mapping are dropped":      {"[::ffff:192.0.2.1%eth0]:5", nil, nil, "192.0.2.1"},
		"nobody is trusted":                 {"192.0.2.1:5", []string{"1.1.1.1"}, nil, "192.0.2.1"},
		"the peer is not trusted":           {"192.0.2.1:5", []string{"1.1.1.1"}, proxies, "192.0.2.1"},
		"one proxy":                         {"10.0.0.1:5", []string{"1.1.1.1"}, proxies, "1.1.1.1"},
		"trusted, but silent":               {"10.0.0.1:5", nil, proxies, "10.0.0.1"},
		"what the client made up":           {"10.0.0.1:5", []string{"6.6.6.6, 1.1.1.1, 10.2.2.2"}, proxies, "1.1.1.1"},
		"several lines":                     {"10.0.0.1:5", []string{"6.6.6.6", "1.1.1.1,10.2.2.2", "10.3.3.3"}, proxies, "1.1.1.1"},
		"all are proxies":                   {"10.0.0.1:5", []string{"10.2.2.2, 10.3.3.3"}, proxies, "10.2.2.2"},
		"ports and brackets":                {"[fd00::1]:5", []string{"[2001:db8::7]:443"}, proxies, "2001:db8::7"},
		"brackets only":                     {"[fd00::1]:5", []string{"[2001:db8::7]"}, proxies, "2001:db8::7"},
		"a port behind an IPv4":             {"10.0.0.1:5", []string{"1.1.1.1:80"}, proxies, "1.1.1.1"},
		"what is no address ends the chain": {"10.0.0.1:5", []string{"1.1.1.1, unknown, 10.2.2.2"}, proxies, "10.2.2.2"},
		"an empty header":                   {"10.0.0.1:5", []string{""}, proxies, "10.0.0.1"},
		"a peer without an address":         {"@", []string{"1.1.1.1"}, proxies, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			require.Equal(t, c.want, ClientAddr(r, c.trusted))
		})
	}
}

func FuzzClientAddr(f *testing.F) {
	for _, seed := range []string{"1.1.1.1", "6.6.6.6, 1.1.1.1:80, 10.0.0.2", "[::1]:80,[::1],::1%lo", ",,", " ", "[[::1]]", "unknown", "10.1.1.1,10.1.1.2"} {
		f.Add(seed)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:5", Header: http.Header{"X-Forwarded-For": {forwarded}}}
		addr, err := netip.ParseAddr(ClientAddr(r, proxies))
		if err != nil || addr.Zone() != "" || addr.Is4In6() {
			t.Fatalf("%q gives %q", forwarded, ClientAddr(r, proxies))
		}
		if got := ClientAddr(r, nil); got != "10.0.0.1" {
			t.Fatalf("untrusted %q gives %q", forwarded, got)
		}
	})
}
