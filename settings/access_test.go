package settings_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
)

// Whatever is accepted has addresses that callers can have: those of IPv4 are compared as such.
func TestNetworksHaveCallers(t *testing.T) {
	for text, caller := range map[string]string{
		"10.1.2.3":              "10.1.2.3",
		"::ffff:10.1.2.3":       "10.1.2.3",
		"10.1.2.3/8":            "10.9.9.9",
		"::ffff:10.1.2.3/104":   "10.9.9.9",
		"::ffff:10.1.2.3/128":   "10.1.2.3",
		"::ffff:0.0.0.0/96":     "192.0.2.1",
		"2001:db8::1/32":        "2001:db8:1::",
		"::ffff:a01:203/104":    "10.9.9.9",
		"::/0":                  "2001:db8::1",
		"0:0:0:0:0:ffff::/96":   "192.0.2.1",
		"64:ff9b::192.0.2.1/96": "64:ff9b::1",
	} {
		network, err := settings.ParseNetwork(text)
		require.NoError(t, err, text)
		require.True(t, network.Contains(netip.MustParseAddr(caller).Unmap()), "%s is %s", text, network)
	}
	for _, text := range []string{"", "10.0.0.0/33", "::ffff:10.0.0.0/95", "::ffff:10.0.0.0/8", "::ffff:0:0/0", "AzureCloud"} {
		_, err := settings.ParseNetwork(text)
		require.Error(t, err, text)
	}
}
