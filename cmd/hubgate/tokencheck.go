package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
)

// tokenCheckCommand says what a gateway would say to a token.
type tokenCheckCommand struct {
	target
	Hub      string `help:"Check the token for this hub, not for the one that it names."`
	Resource string `help:"Check it for this REST resource: the URL or path of the request." placeholder:"URL"`
	Token    string `arg:"" help:"The token, or - to read it from standard input."`
}

// input is where "-" is read from.
var input io.Reader = os.Stdin

// tokenUse is what a token is presented for.
type tokenUse struct {
	what   string
	verify func(*auth.Verifier, string) error
}

// Run prints the claims and the result of each check. A token that would be
// refused is an error.
func (c *tokenCheckCommand) Run(env *environment) error {
	token := c.Token
	if token == "-" {
		line, err := bufio.NewReader(io.LimitReader(input, maxNegotiateBytes)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		token = line
	}
	token = strings.TrimPrefix(strings.TrimSpace(token), "Bearer ")
	cs, err := c.parse()
	if err != nil {
		return err
	}
	own, err := serveConfig()
	if err != nil {
		return err
	}
	keys := []auth.Secret{cs.AccessKey}
	if c.ConnectionString == "" {
		keys = append(keys, auth.Secret(own.Service.SecondaryKey))
	}
	verifier := auth.NewVerifier(auth.VerifierOptions{
		Keys:           func() []auth.Secret { return keys },
		Leeway:         func() time.Duration { return own.Auth.Leeway },
		StrictAudience: func() []string { return own.Auth.StrictAudience },
		MaxTokenBytes:  func() int { return int(own.Sizes.TokenBytes) },
		BasePath:       own.BasePath(),
	})
	claims := tokenClaims(token)
	if claims != nil {
		if err := printJSON(env.stdout, claims); err != nil {
			return err
		}
	}
	use := c.use(audiences(claims, own.BasePath()))
	return reportChecks(env.stdout, use, use.verify(verifier, token), cs.Endpoint)
}

// use is what the flags say, else what the token itself names.
func (c *tokenCheckCommand) use(audiences []*url.URL) tokenUse {
	if c.Resource != "" {
		u, err := url.Parse(c.Resource)
		if err != nil {
			u = &url.URL{Path: c.Resource}
		}
		return restUse(u)
	}
	hub := c.Hub
	for _, a := range audiences {
		named := cmp.Or(hub, a.Query().Get("hub"))
		switch strings.TrimSuffix(strings.ToLower(a.Path), "/") {
		case auth.ClientPath:
			hub = named
		case auth.ServerPath:
			return serverUse("a server of hub "+named, named, (*auth.Verifier).Server)
		case auth.AspNetServerPath:
			return serverUse("an ASP.NET SignalR server of hub "+named, named, (*auth.Verifier).AspNetServer)
		case auth.AspNetClientPath:
			return aspNetClientUse
		}
	}
	if hub == "" && len(audiences) > 0 {
		return restUse(audiences[0])
	}
	return tokenUse{"a client of hub " + hub, func(v *auth.Verifier, token string) error {
		_, err := v.Client(token, hub, "")
		return err
	}}
}

// serverUse is that of a token of a hub server.
func serverUse(what, hub string, verify func(*auth.Verifier, string, string) (*auth.ServerClaims, error)) tokenUse {
	return tokenUse{what, func(v *auth.Verifier, token string) error {
		_, err := verify(v, token, hub)
		return err
	}}
}

var aspNetClientUse = tokenUse{"a client of ASP.NET SignalR", func(v *auth.Verifier, token string) error {
	_, err := v.AspNetClient(token)
	return err
}}

func restUse(at *url.URL) tokenUse {
	return tokenUse{"REST " + at.EscapedPath(), func(v *auth.Verifier, token string) error {
		return v.REST(token, http.MethodPost, at.EscapedPath(), at.Query().Get("application"))
	}}
}

// tokenChecks are the checks in their order, with the failures of each.
var tokenChecks = []struct {
	name     string
	failures []auth.Failure
}{
	{"form", []auth.Failure{auth.TokenMissing, auth.TokenTooLarge, auth.TokenMalformed}},
	{"algorithm", []auth.Failure{auth.TokenAlgorithm, auth.TokenLocalKey}},
	{"issuer", []auth.Failure{auth.TokenIssuer, auth.TokenIssuerDown}},
	{"signature", []auth.Failure{auth.TokenSignature}},
	{"lifetime", []auth.Failure{auth.TokenNoExpiry, auth.TokenExpired, auth.TokenNotYetValid}},
	{"audience", []auth.Failure{auth.TokenAudience}},
	{"right", []auth.Failure{auth.TokenRight}},
}

// reportChecks prints one line for each check; the one that failed is the error.
func reportChecks(w io.Writer, use tokenUse, err error, at *url.URL) error {
	failed, ok := errors.AsType[*auth.TokenError](err)
	if err != nil && !ok {
		return err
	}
	outcome := "ok"
	for _, check := range tokenChecks {
		line := outcome
		if failed != nil && slices.Contains(check.failures, failed.Failure) {
			line, outcome = "FAILED", "not checked"
		}
		fmt.Fprintf(w, "%-10s %s\n", check.name, line)
	}
	if failed == nil {
		_, err := fmt.Fprintf(w, "valid for %s\n", use.what)
		return err
	}
	text := "refused as " + use.what + ": " + failed.Description()
	if failed.Detail != "" {
		text += " (" + failed.Detail + ")"
	}
	if advice := tokenAdvice(failed.Failure, at); advice != "" {
		text += "\n  " + advice
	}
	return errors.New(text)
}

func tokenAdvice(f auth.Failure, at *url.URL) string {
	switch f {
	case auth.TokenSignature:
		return fmt.Sprintf("it was signed with another key than that of the gateway at %s: set HUBGATE_ACCESS_KEY or %s to the key that signed it, or sign it with this one", at, connectionStringEnv)
	case auth.TokenExpired:
		return "sign a new one: hubgate token client HUB, or hubgate token rest URL"
	case auth.TokenAudience:
		return "the claim aud is the URL that the token is for: http://HOST/client/?hub=HUB for clients, http://HOST/aspnetclient for those of ASP.NET SignalR, the URL of the request without its query for REST"
	case auth.TokenNoExpiry:
		return "add the claim exp, in Unix seconds"
	}
	return ""
}

// tokenClaims are the claims of a token as they are, nil if it is none.
func tokenClaims(token string) map[string]any {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var claims map[string]any
	if decoder.Decode(&claims) != nil {
		return nil
	}
	return claims
}

// audiences are those of the claims that are URLs, without the path that the
// gateway's own URL has.
func audiences(claims map[string]any, base string) (all []*url.URL) {
	texts, _ := claims["aud"].([]any)
	if one, ok := claims["aud"].(string); ok {
		texts = []any{one}
	}
	for _, text := range texts {
		s, _ := text.(string)
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			u.Path, u.RawPath = strings.TrimPrefix(u.Path, base), strings.TrimPrefix(u.RawPath, base)
			all = append(all, u)
		}
	}
	return all
}
