package config

import (
	"errors"
	"fmt"

	"github.com/hubgate/hubgate/secret"
)

// Admin says who may manage the gateway through its admin address.
type Admin struct {
	Token      secret.Text `help:"Token with which the settings are read and changed under /api/ of the admin address, and with which people log in there; 16 bytes at least. It is no flag, since others on the machine can read those. Without one a token is made at each start and printed, and tokens that are signed with an access key are good too." hidden:"" noflag:""`
	TokenFile  string      `help:"File with the admin token, instead of admin.token. A line break at its end does not count." placeholder:"FILE"`
	OIDCClaims []string    `name:"oidc-claims" help:"Claims with which a token of oidc.issuers that opens all of REST manages the gateway too, CLAIM=VALUE. One of them is enough. Without any no such token does." placeholder:"CLAIM=VALUE"`
	TLS        bool        `name:"tls" help:"Serve the admin address by HTTPS, with the certificate of tls.cert."`
	AllowPlain bool        `help:"Let the gateway be managed by plain HTTP from other machines too: whoever sees the network has the admin token then. Metrics and health checks need no such permission."`
}

// minAdminToken is as much as cannot be guessed while wrong tokens are slowed down.
const minAdminToken = 16

// AdminToken returns the token, "" for none. It reads the file that the option names.
func (c *Config) AdminToken() (secret.Text, error) {
	if c.Admin.Token != "" && c.Admin.TokenFile != "" {
		return "", errors.New("admin.tokenFile: does not go with admin.token: set one of them")
	}
	token, err := textOrFile("admin.tokenFile", c.Admin.Token, c.Admin.TokenFile)
	if err == nil && token != "" && len(token) < minAdminToken {
		err = fmt.Errorf("admin.token: has %d bytes, fewer than %d", len(token), minAdminToken)
	}
	return token, err
}
