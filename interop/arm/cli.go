package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// cli is somebody at a shell with the Azure CLI.
type cli struct {
	*suite
	env []string
	key string
}

// azTime is a way out of a hang.
const azTime = 10 * time.Minute

// az runs one command and returns what it prints as JSON.
func (c *cli) az(command string, more ...string) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), azTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Getenv("HUBGATE_AZ"), append(strings.Fields(command), more...)...)
	cmd.Env = c.env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("az %s: %w: %s", command, err, said.String())
	}
	var value any
	if len(strings.TrimSpace(string(out))) > 0 {
		err = json.Unmarshal(out, &value)
	}
	return value, err
}

// of is az for the resource, and what is at the query of its output.
func (c *cli) of(command, query string, more ...string) (any, error) {
	args := append(strings.Fields("-g rg -n gw-of-az -o json"), more...)
	if query != "" {
		args = append(args, "--query", query)
	}
	return c.az("signalr "+command, args...)
}

// wants runs a command and compares what is at the query of its output, as JSON.
func (c *cli) wants(expected, command, query string, more ...string) error {
	got, err := c.of(command, query, more...)
	if err != nil {
		return err
	}
	text, err := json.Marshal(got)
	if err != nil {
		return err
	}
	return want("the output of az signalr "+command, string(text), expected)
}

// refuses runs a command that must fail and say the text.
func (c *cli) refuses(text, command string, more ...string) error {
	_, err := c.of(command, "", more...)
	if err == nil || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("az signalr %s did not say %q but %w", command, text, err)
	}
	return nil
}

// commandLine is a session as users have it.
func (s *suite) commandLine() error {
	dir, err := os.MkdirTemp(os.Getenv("HUBGATE_WORK"), "az")
	if err != nil {
		return err
	}
	c := &cli{suite: s, key: firstKey, env: append(os.Environ(), "AZURE_CONFIG_DIR="+filepath.Join(dir, "config"), "REQUESTS_CA_BUNDLE="+s.gateway.Cert,
		"AZURE_CORE_COLLECT_TELEMETRY=false", "AZURE_CORE_NO_COLOR=true")}
	for _, one := range []struct {
		name string
		run  func() error
	}{
		{"cloud register, login as a service principal", c.login},
		{"R87 create, list, show", c.creates},
		{"R85 R87 update --service-mode", c.mode},
		{"R81 R82 R87 key list and renew", c.keys},
		{"R87 R88 cors add, list and remove", c.cors},
		{"R83 R87 network-rule list and update", c.rules},
		{"R87 upstream update, list and clear", c.webhooks},
		{"R87 flags that the command line adds to every change open nothing", c.careless},
		{"stop, start and restart", c.stops},
		{"identity, replica and custom-domain", c.others},
		{"errors are readable", c.errors},
		{"R87 delete", c.deletes},
	} {
		s.step(one.name, one.run)
	}
	return nil
}

func (c *cli) login() error {
	if _, err := c.az("cloud register -n hubgate --endpoint-resource-manager " + c.gateway.ARM); err != nil {
		return err
	}
	if _, err := c.az("cloud set -n hubgate"); err != nil {
		return err
	}
	_, err := c.az("login --service-principal -u az-tests -p wrong --tenant " + tenant)
	if err == nil || !strings.Contains(err.Error(), "Invalid client secret") {
		return fmt.Errorf("a wrong secret: %w", err)
	}
	_, err = c.az("login --service-principal -u az-tests -p " + adminToken + " --tenant " + tenant)
	return err
}

func (c *cli) creates() error {
	if _, err := c.az("group create -n rg -l local"); err != nil {
		return err
	}
	return errors.Join(
		c.wants(`["gw-of-az","Succeeded","Serverless"]`, "create --sku Standard_S1 --service-mode Serverless -l local", "[name,provisioningState,features[0].value]"),
		c.wants(`"gw-of-az"`, "show", "name"),
		c.listed("[gw-of-az]"))
}

func (c *cli) listed(expected string) error {
	all, err := c.az("signalr list -o json --query [].name")
	if err != nil {
		return err
	}
	return want("the list", fmt.Sprint(all), expected)
}

func (c *cli) mode() error {
	return errors.Join(c.gateway.wantMode(c.key, serverless), c.wants(`"Default"`, "update --service-mode Default", "features[0].value"), c.gateway.wantMode(c.key, withoutServer),
		c.wants(`"Serverless"`, "update --service-mode Serverless", "features[0].value"), c.gateway.wantMode(c.key, serverless))
}

func (c *cli) keys() error {
	if err := errors.Join(c.wants(`"`+c.key+`"`, "key list", "primaryKey"), c.gateway.wantSend(c.key, http.StatusAccepted)); err != nil {
		return err
	}
	if _, err := c.of("key renew --key-type primary", ""); err != nil {
		return err
	}
	next, err := c.of("key list", "primaryKey")
	if err != nil {
		return err
	}
	former := c.key
	c.key, _ = next.(string)
	return errors.Join(c.gateway.wantSend(former, http.StatusUnauthorized), c.gateway.wantSend(c.key, http.StatusAccepted))
}

func (c *cli) wantOrigin(origin, expected string) error {
	got, err := c.gateway.allowed(c.key, origin)
	if err != nil {
		return err
	}
	return want("the allowed origin", got, expected)
}

func (c *cli) cors() error {
	return errors.Join(
		c.wants(`["*","https://a.example"]`, "cors add --allowed-origins https://a.example", "cors.allowedOrigins"),
		c.wants(`["https://a.example"]`, "cors remove --allowed-origins *", "cors.allowedOrigins"),
		c.wants(`["https://a.example"]`, "cors list", "allowedOrigins"),
		c.wantOrigin("https://a.example", "https://a.example"), c.wantOrigin("https://b.example", ""),
		c.wants(`["*"]`, "cors remove --allowed-origins https://a.example", "cors.allowedOrigins"),
		c.wantOrigin("https://b.example", "https://b.example"))
}

func (c *cli) rules() error {
	return errors.Join(
		c.wants(`4`, "network-rule list", "length(publicNetwork.allow)"),
		c.wants(`["RESTAPI"]`, "network-rule update --public-network true --allow RESTAPI", "networkAcLs.publicNetwork.allow"),
		c.gateway.wantSend(c.key, http.StatusAccepted), c.gateway.wantRefused(c.key),
		c.wants(`[{"action":"Allow","value":"127.0.0.0/8"}]`, "network-rule ip-rule add --ip-rule value=127.0.0.0/8 action=Allow", "networkAcLs.ipRules"),
		c.wants(`[]`, "network-rule ip-rule remove --ip-rule value=127.0.0.0/8 action=Allow", "networkAcLs.ipRules"),
		c.wants(`4`, "network-rule update --public-network true --allow RESTAPI ClientConnection ServerConnection Trace", "length(networkAcLs.publicNetwork.allow)"),
		c.gateway.wantMode(c.key, serverless))
}

func (c *cli) webhooks() error {
	shown := `"` + c.hook.URL + `/{hub}/{event}?code=[redacted]"`
	err := errors.Join(
		c.wants(shown, "upstream update", "upstream.templates[0].urlTemplate", "--template", "url-template="+c.hook.URL+"/{hub}/{event}?code=secret", "hub-pattern=chat", "event-pattern=connected"),
		c.wants(shown, "upstream list", "templates[0].urlTemplate"),
		c.gateway.wantMode(c.key, serverless))
	if err != nil {
		return err
	}
	select {
	case got := <-c.hooks:
		err = want("the webhook", got, "/chat/connected?code=secret connected")
	case <-time.After(60 * time.Second):
		err = errors.New("no webhook was called")
	}
	return errors.Join(err, c.wants(`[]`, "upstream clear", "upstream.templates"))
}

// careless: a gateway that somebody has shut stays shut, whatever else is changed.
func (c *cli) careless() error {
	return errors.Join(
		c.wants(`"True"`, "stop", "resourceStopped"),
		c.wants(`["True","b"]`, "update --tags a=b", "[resourceStopped,tags.a]"),
		c.wants(`"True"`, "cors add --allowed-origins https://a.example", "resourceStopped"),
		c.gateway.wantRefused(c.key),
		c.wants(`"False"`, "start", "resourceStopped"),
		c.gateway.wantMode(c.key, serverless))
}

func (c *cli) stops() error {
	before, err := c.gateway.wantConnected(c.key, serverless)
	if err != nil {
		return err
	}
	defer before.conn.Close()
	if _, err := c.of("restart", ""); err != nil {
		return err
	}
	closed, err := before.next()
	if err != nil || !strings.Contains(closed, `"allowReconnect":true`) {
		return fmt.Errorf("the client was told %s, %v", closed, err)
	}
	return c.gateway.wantMode(c.key, serverless)
}

func (c *cli) others() error {
	err := errors.Join(c.wants(`"SystemAssigned"`, "identity assign --identity [system]", "identity.type"), c.wants(`"SystemAssigned"`, "identity show", "type"))
	for _, kind := range []string{"replica", "custom-domain", "custom-certificate"} {
		all, failed := c.az("signalr " + kind + " list -g rg --signalr-name gw-of-az -o json")
		err = errors.Join(err, failed, want("the list of "+kind, fmt.Sprint(all), "[]"))
	}
	return err
}

func (c *cli) errors() error {
	_, err := c.az("signalr create -g rg -n another --sku Standard_S1 -l local")
	if err == nil || !strings.Contains(err.Error(), "This gateway is one resource, and it is 'gw-of-az'") {
		return fmt.Errorf("a second resource: %w", err)
	}
	return errors.Join(
		c.refuses("properties.upstream.templates[0].urlTemplate", "upstream update", "--template", "url-template=nonsense"),
		c.refuses("properties.disableLocalAuth needs oidc.issuers", "update --disable-local-auth true"))
}

func (c *cli) deletes() error {
	if _, err := c.of("delete", ""); err != nil {
		return err
	}
	return errors.Join(c.refuses("ResourceNotFound", "show"), c.listed("[]"), c.gateway.wantMode(c.key, serverless))
}
