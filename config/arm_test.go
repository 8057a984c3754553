package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
)

func TestResourceAPINeedsTLS(t *testing.T) {
	for name, c := range map[string]struct {
		arm  config.ARM
		cert string
		want string
	}{
		"off":                      {arm: config.ARM{Listen: "off"}},
		"off with a certificate":   {arm: config.ARM{Listen: "OFF", TestCertificate: "file"}},
		"the gateway's":            {arm: config.ARM{Listen: ":9443"}, cert: "file"},
		"made by itself":           {arm: config.ARM{Listen: ":9443", TestCertificate: "file"}},
		"none":                     {arm: config.ARM{Listen: "localhost:9443"}, want: "arm.listen: needs a certificate"},
		"none, on loopback":        {arm: config.ARM{Listen: "localhost:9443", UnsafeWithoutTLS: true}},
		"none, for all":            {arm: config.ARM{Listen: ":9443", UnsafeWithoutTLS: true}, want: "arm.listen: :9443 can be reached from other machines"},
		"none, by a name":          {arm: config.ARM{Listen: "gw.example:9443", UnsafeWithoutTLS: true}, want: "arm.listen: gw.example:9443 can be reached"},
		"without in spite of one":  {arm: config.ARM{Listen: "localhost:9443", UnsafeWithoutTLS: true}, cert: "file", want: "arm.unsafeWithoutTls: there is a certificate"},
		"two":                      {arm: config.ARM{Listen: ":9443", TestCertificate: "file"}, cert: "file", want: "arm.testCertificate: tls.cert is served"},
		"no address":               {arm: config.ARM{Listen: "9443", TestCertificate: "file"}, want: `arm.listen: "9443" is not HOST:PORT`},
		"a subscription of no id":  {arm: config.ARM{Listen: "off", Subscription: "mine"}, want: `arm.subscription: "mine" is no GUID`},
		"a tenant in braces":       {arm: config.ARM{Listen: "off", Tenant: "{00000000-0000-0000-0000-000000000002}"}, want: "arm.tenant: "},
		"a subscription with text": {arm: config.ARM{Listen: "off", Subscription: "00000000-0000-0000-0000-00000000000/"}, want: "arm.subscription: "},
	} {
		t.Run(name, func(t *testing.T) {
			if c.arm.Subscription == "" {
				c.arm.Subscription = "00000000-0000-0000-0000-000000000001"
			}
			if c.arm.Tenant == "" {
				c.arm.Tenant = "00000000-0000-0000-0000-000000000002"
			}
			all := config.Config{Network: config.Network{Listen: []string{"localhost:1"}, AdminListen: "off"}, ARM: c.arm}
			if c.cert != "" {
				all.TLS = config.TLS{Cert: c.cert, Key: "key"}
			}
			err := all.Validate()
			if c.want == "" {
				if err != nil {
					require.NotContains(t, err.Error(), "arm.")
				}
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
