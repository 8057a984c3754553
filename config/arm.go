package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// ARM is Azure's resource API.
type ARM struct {
	Listen           string `help:"Address of Azure's resource API, for the Azure CLI and Azure's management libraries, or off. It is served by HTTPS, and whoever uses it is an administrator. See azure-cli.md." default:"off"`
	TestCertificate  string `help:"For trials without tls.cert: the resource API makes a certificate of its own at each start, and writes it into this file, for clients to trust." placeholder:"FILE"`
	UnsafeWithoutTLS bool   `name:"unsafe-without-tls" help:"Serve the resource API without TLS, on loopback only. The Azure CLI needs TLS."`
	Subscription     string `help:"Id of the subscription that the gateway is in." default:"00000000-0000-0000-0000-000000000001"`
	Tenant           string `help:"Id of the tenant whose administrators log in at the resource API." default:"00000000-0000-0000-0000-000000000002"`
	LiteralAccess    bool   `help:"Obey publicNetworkAccess, disableLocalAuth, disableAadAuth and resourceStopped also where they come all together with their defaults, as the Azure CLI sends them with every change. Otherwise such flags leave things as they are."`
}

// Serves says whether there is a resource API.
func (a *ARM) Serves() bool { return !strings.EqualFold(a.Listen, "off") }

// ARMAddresses returns where the resource API is served: none if it is switched off.
func (c *Config) ARMAddresses() ([]Address, error) {
	if !c.ARM.Serves() {
		return nil, nil
	}
	return addresses(c.ARM.Listen)
}

func (c *Config) validateARM(add func(name string, err error)) {
	a := &c.ARM
	all, err := c.ARMAddresses()
	add("arm.listen", err)
	for name, id := range map[string]string{"arm.subscription": a.Subscription, "arm.tenant": a.Tenant} {
		if len(id) != 36 || uuid.Validate(id) != nil {
			add(name, fmt.Errorf("%q is no GUID, such as 00000000-0000-0000-0000-000000000001", id))
		}
	}
	if !a.Serves() || err != nil {
		return
	}
	secure := c.TLS.Cert != "" || a.TestCertificate != ""
	exposed := slices.ContainsFunc(all, func(at Address) bool { return !isLoopback(at.HostPort) })
	switch {
	case secure && a.UnsafeWithoutTLS:
		add("arm.unsafeWithoutTls", errors.New("there is a certificate: leave this out, or tls.cert and arm.testCertificate"))
	case c.TLS.Cert != "" && a.TestCertificate != "":
		add("arm.testCertificate", errors.New("tls.cert is served: leave this out"))
	case !secure && !a.UnsafeWithoutTLS:
		add("arm.listen", errors.New("needs a certificate: tls.cert and tls.key or, for trials, arm.testCertificate (--arm-test-certificate FILE)"))
	case !secure && exposed:
		add("arm.listen", fmt.Errorf("%s can be reached from other machines: without TLS the resource API is for loopback only", a.Listen))
	}
}
