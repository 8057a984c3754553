package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/hubgate/hubgate/secret"
)

// SharedSource is how errors and logs name the options that all nodes of a cluster share.
const SharedSource = "shared settings"

// WithShared returns c with the options of a text that all nodes share. The text is written as the file
// is, and what it says wins over flags, variables and the file of this node. It may hold options that
// change while the gateway runs, hubs and upstream.templates, but no access keys: each node is given those
// by itself, and what webhooks may read or reach from it.
func (c *Config) WithShared(text []byte) (*Config, error) {
	f, err := parseFile(SharedSource, utf8Text(text))
	if err != nil {
		return nil, err
	}
	if err := f.mayBeShared(); err != nil {
		return nil, err
	}
	decoded, err := f.decode()
	if err != nil {
		return nil, err
	}
	merged := *c
	merged.shared = f
	values := bind(decoded)
	for i, option := range bind(&merged) {
		if option.key != "" && f.has(option.key) {
			option.value.Set(values[i].value)
		}
	}
	return &merged, nil
}

// ReadShared reads a file with options for all nodes, of at most 1 MiB.
func ReadShared(path string) ([]byte, error) { return readFile(path) }

// onlyOfNode are the options that say what webhooks may read or reach from a node, and whose tokens are good for
// what. Whoever may share settings chooses where webhooks go, and would get with these what a node keeps for
// itself, or rights that nobody gave.
var onlyOfNode = map[string]string{
	"upstream.allowedEnv": ofWebhooks, "upstream.allowedFiles": ofWebhooks, "upstream.allowLinkLocal": ofWebhooks, "upstream.tokenUrl": ofWebhooks,
	"oidc.issuers": ofTokens, "oidc.audiences": ofTokens, "oidc.restClaims": ofTokens, "oidc.readerClaims": ofTokens, "oidc.serverClaims": ofTokens,
	"oidc.issuerRules": ofTokens, "oidc.clientAudiences": ofTokens, "oidc.userClaim": ofTokens, "oidc.groupsClaim": ofTokens, "oidc.hubs": ofTokens, "oidc.hubsClaim": ofTokens,
	"auth.disableLocalKeys": ofTokens,
}

const (
	ofWebhooks = "what webhooks may read or reach from a node"
	ofTokens   = "whose tokens are accepted"
)

// mayBeShared refuses keys that a running node would not follow, secrets, and what opens a node.
func (f *file) mayBeShared() error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(f.lines)) {
		o, isOption := optionsByKey()[key]
		switch {
		case isOption && o.atStart:
			errs = append(errs, fmt.Errorf("%s:%d: %s is read only when a node starts: give it to each node", f.name, f.lines[key], key))
		case isOption && o.typ == reflect.TypeFor[secret.Text]():
			errs = append(errs, fmt.Errorf("%s:%d: %s is a secret: give it to each node", f.name, f.lines[key], key))
		case onlyOfNode[key] != "":
			errs = append(errs, fmt.Errorf("%s:%d: %s says %s: give it to each node", f.name, f.lines[key], key, onlyOfNode[key]))
		}
	}
	return errors.Join(errs...)
}

// decode returns a Config in which nothing but the file has a say.
func (f *file) decode() (*Config, error) {
	c := new(Config)
	parser, err := kong.New(c, kong.NoDefaultHelp(), durations, kong.Resolvers(kong.ResolverFunc(
		func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) { return f.value(flag), nil })))
	if err != nil {
		return nil, err
	}
	for _, flag := range parser.Model.Flags {
		if err := f.check(flag); err != nil {
			return nil, err
		}
	}
	if _, err := parser.Parse(nil); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return c, nil
}
