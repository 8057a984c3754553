package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/auth"
)

// tokenCommand signs tokens with the key of the connection string.
type tokenCommand struct {
	Client clientTokenCommand `cmd:"" help:"Sign a token with which a client connects to a hub."`
	REST   restTokenCommand   `cmd:"" name:"rest" help:"Sign a token for one REST resource."`
	Check  tokenCheckCommand  `cmd:"" help:"Say whether a gateway would accept a token, and if not, why."`
}

type clientTokenCommand struct {
	target
	lifetime
	clientIdentity
	URL bool `help:"Print the URL to connect to and the token as JSON, as a negotiate endpoint answers."`
}

// clientIdentity are the flags that say who a client is.
type clientIdentity struct {
	Hub   string   `arg:"" help:"The hub."`
	User  string   `help:"User id; without it the client is anonymous." short:"u"`
	Claim []string `help:"A claim of the user, TYPE=VALUE; repeatable." placeholder:"TYPE=VALUE" sep:"none"`
}

func (c *clientIdentity) spec(l lifetime) (auth.ClientTokenSpec, error) {
	spec := auth.ClientTokenSpec{UserID: c.User, Lifetime: l.Lifetime}
	for _, text := range c.Claim {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return spec, usage(fmt.Errorf("--claim %q is not TYPE=VALUE", text))
		}
		spec.Claims = append(spec.Claims, auth.Claim{Type: name, Value: value})
	}
	return spec, l.check()
}

// sign returns what the target's connection string says and the client's token.
func (c *clientIdentity) sign(t target, l lifetime) (cs auth.ConnectionString, token string, err error) {
	if cs, err = t.parse(); err != nil {
		return cs, "", err
	}
	if err = checkHub(c.Hub); err != nil {
		return cs, "", err
	}
	spec, err := c.spec(l)
	if err != nil {
		return cs, "", err
	}
	token, err = auth.SignClient(cs.AccessKey, base(cs.Client()), c.Hub, spec)
	return cs, token, err
}

func (c *clientTokenCommand) Run(env *environment) error {
	cs, token, err := c.sign(c.target, c.lifetime)
	if err != nil {
		return err
	}
	if c.URL {
		return printJSON(env.stdout, map[string]string{"url": clientURL(cs, c.Hub), "accessToken": token})
	}
	_, err = fmt.Fprintln(env.stdout, token)
	return err
}

// clientURL is what a client is told to connect to.
func clientURL(cs auth.ConnectionString, hub string) string {
	return base(cs.Client()) + auth.ClientPath + "/?hub=" + url.QueryEscape(hub)
}

type restTokenCommand struct {
	target
	lifetime
	Resource string `arg:"" help:"URL or path of the resource, escaped as in the request: /api/hubs/chat/:send. A query does not matter."`
}

func (c *restTokenCommand) Run(env *environment) error {
	cs, err := c.parse()
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return err
	}
	resource := c.Resource
	if strings.HasPrefix(resource, "/") {
		resource = base(cs.Server()) + resource
	}
	token, err := auth.SignREST(cs.AccessKey, resource, c.Lifetime)
	if err != nil {
		return usage(fmt.Errorf("%q is no resource: %w", c.Resource, err))
	}
	_, err = fmt.Fprintln(env.stdout, token)
	return err
}
