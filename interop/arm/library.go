package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/signalr/armsignalr"
)

const group, name = "rg", "gw-of-go"

// user is somebody with Azure's library for Go.
type user struct {
	*suite
	options *arm.ClientOptions
	client  *armsignalr.Client
	factory *armsignalr.ClientFactory
	keys    armsignalr.Keys
}

// poll: the first answer is the last one here, so there is nothing to wait for.
var poll = &runtime.PollUntilDoneOptions{Frequency: time.Second}

func (s *suite) library() error {
	u := &user{suite: s}
	if err := u.login(adminToken); err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"R79 the resource is there and has what the library reads", u.shows},
		{"the resource is created under a name of one's own", u.creates},
		{"R85 a change of mode is seen by clients", u.mode},
		{"R80 a flag that is not named stays, and webhooks are replaced", u.webhooks},
		{"R81 R82 keys are listed and replaced, and the former one is refused", u.replacesKeys},
		{"R83 R88 origins and rules of the network hold", u.rules},
		{"R84 what is not valid is refused with the name of the field", u.refused},
		{"restart closes clients, which may come back", u.restarts},
		{"a second resource is refused", u.second},
		{"what Azure lists can be listed", u.lists},
		{"delete takes the settings back, and the name is free again", u.deletes},
		{"a wrong secret, and no token, are refused", u.wrongSecret},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		s.step("go "+c.name, func() error { return c.run(ctx) })
		cancel()
	}
	return nil
}

// login makes the clients. Nothing is asked yet.
func (u *user) login(secret string) error {
	pem, err := os.ReadFile(u.gateway.Cert)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	options := policy.ClientOptions{
		Transport: transport,
		Retry:     policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Second},
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: u.gateway.ARM, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: strings.TrimSuffix(u.gateway.ARM, "/"), Audience: u.gateway.ARM},
		}},
	}
	who, err := azidentity.NewClientSecretCredential(tenant, "go-tests", secret, &azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		return err
	}
	u.options = &arm.ClientOptions{ClientOptions: options, DisableRPRegistration: true}
	if u.factory, err = armsignalr.NewClientFactory(subscription, who, u.options); err != nil {
		return err
	}
	u.client = u.factory.NewClient()
	return nil
}

func (u *user) shows(ctx context.Context) error {
	pages := u.client.NewListBySubscriptionPager(nil)
	page, err := pages.NextPage(ctx)
	if err != nil {
		return err
	}
	if len(page.Value) != 1 || *page.Value[0].Name != "hubgate" {
		return fmt.Errorf("listed are %d resources", len(page.Value))
	}
	one, err := u.client.Get(ctx, "HUBGATE", "hubgate", nil)
	if err != nil {
		return err
	}
	return errors.Join(want("the type", *one.Type, "Microsoft.SignalRService/SignalR"), want("the state", *one.Properties.ProvisioningState, armsignalr.ProvisioningStateSucceeded),
		want("the mode", *one.Properties.Features[0].Value, "Serverless"), want("the host", *one.Properties.HostName, "127.0.0.1"))
}

func feature(flag armsignalr.FeatureFlags, value string) *armsignalr.Feature {
	return &armsignalr.Feature{Flag: &flag, Value: &value}
}

func (u *user) creates(ctx context.Context) error {
	free, err := u.client.CheckNameAvailability(ctx, "local", armsignalr.NameAvailabilityParameters{Type: to.Ptr("Microsoft.SignalRService/SignalR"), Name: to.Ptr(name)}, nil)
	if err != nil {
		return err
	}
	p, err := u.client.BeginCreateOrUpdate(ctx, group, name, armsignalr.ResourceInfo{
		Location: to.Ptr("local"), Tags: map[string]*string{"team": to.Ptr("chat")}, SKU: &armsignalr.ResourceSKU{Name: to.Ptr("Standard_S1"), Capacity: to.Ptr[int32](1)},
		Properties: &armsignalr.Properties{Features: []*armsignalr.Feature{feature(armsignalr.FeatureFlagsServiceMode, "Serverless"), feature(armsignalr.FeatureFlagsEnableMessagingLogs, "True")}},
	}, nil)
	if err != nil {
		return err
	}
	made, err := p.PollUntilDone(ctx, poll)
	if err != nil {
		return err
	}
	keys, err := u.client.ListKeys(ctx, group, name, nil)
	if err != nil {
		return err
	}
	u.keys = keys.Keys
	return errors.Join(want("the name was free", *free.NameAvailable, true), want("the tag", *made.Tags["team"], "chat"), want("the SKU", *made.SKU.Name, "Standard_S1"),
		u.gateway.wantSend(*keys.PrimaryKey, http.StatusAccepted))
}

func (u *user) patch(ctx context.Context, p armsignalr.Properties) (*armsignalr.ResourceInfo, error) {
	poller, err := u.client.BeginUpdate(ctx, group, name, armsignalr.ResourceInfo{Properties: &p}, nil)
	if err != nil {
		return nil, err
	}
	done, err := poller.PollUntilDone(ctx, poll)
	return &done.ResourceInfo, err
}

func (u *user) mode(ctx context.Context) error {
	before, err := u.gateway.wantConnected(*u.keys.PrimaryKey, serverless)
	if err != nil {
		return err
	}
	defer before.conn.Close()
	if _, err := u.patch(ctx, armsignalr.Properties{Features: []*armsignalr.Feature{feature(armsignalr.FeatureFlagsServiceMode, "Default")}}); err != nil {
		return err
	}
	closed, err := before.next()
	if err != nil || !strings.Contains(closed, `"type":7`) {
		return fmt.Errorf("the client of the former mode was told %s, %v", closed, err)
	}
	if err := u.gateway.wantMode(*u.keys.PrimaryKey, withoutServer); err != nil {
		return err
	}
	if _, err = u.patch(ctx, armsignalr.Properties{Features: []*armsignalr.Feature{feature(armsignalr.FeatureFlagsServiceMode, "Serverless")}}); err != nil {
		return err
	}
	return u.gateway.wantMode(*u.keys.PrimaryKey, serverless)
}

func (u *user) webhooks(ctx context.Context) error {
	one, err := u.patch(ctx, armsignalr.Properties{Upstream: &armsignalr.ServerlessUpstreamSettings{Templates: []*armsignalr.UpstreamTemplate{
		{URLTemplate: to.Ptr(u.hook.URL + "/{hub}/{event}?code=secret"), HubPattern: to.Ptr("chat"), EventPattern: to.Ptr("connected")}}}})
	if err != nil {
		return err
	}
	if err := errors.Join(want("the flags", len(one.Properties.Features), 2), u.gateway.wantMode(*u.keys.PrimaryKey, serverless)); err != nil {
		return err
	}
	select {
	case got := <-u.hooks:
		err = want("the webhook", got, "/chat/connected?code=secret connected")
	case <-time.After(60 * time.Second):
		err = errors.New("no webhook was called")
	}
	if _, failed := u.patch(ctx, armsignalr.Properties{Upstream: &armsignalr.ServerlessUpstreamSettings{Templates: []*armsignalr.UpstreamTemplate{}}}); failed != nil {
		return failed
	}
	return err
}

func (u *user) replacesKeys(ctx context.Context) error {
	former := *u.keys.PrimaryKey
	p, err := u.client.BeginRegenerateKey(ctx, group, name, armsignalr.RegenerateKeyParameters{KeyType: to.Ptr(armsignalr.KeyTypePrimary)}, nil)
	if err != nil {
		return err
	}
	made, err := p.PollUntilDone(ctx, poll)
	if err != nil {
		return err
	}
	listed, err := u.client.ListKeys(ctx, group, name, nil)
	if err != nil {
		return err
	}
	u.keys = listed.Keys
	return errors.Join(want("the key that was made", *made.PrimaryKey, *listed.PrimaryKey), want("the key is in the connection string", strings.Contains(*listed.PrimaryConnectionString, "AccessKey="+*listed.PrimaryKey), true),
		u.gateway.wantSend(former, http.StatusUnauthorized), u.gateway.wantSend(*listed.PrimaryKey, http.StatusAccepted))
}

func (u *user) rules(ctx context.Context) error {
	types := func(all ...armsignalr.SignalRRequestType) (list []*armsignalr.SignalRRequestType) {
		for _, one := range all {
			list = append(list, &one)
		}
		return list
	}
	acls := func(allow ...armsignalr.SignalRRequestType) armsignalr.Properties {
		return armsignalr.Properties{
			Cors:        &armsignalr.CorsSettings{AllowedOrigins: []*string{to.Ptr("https://a.example")}},
			NetworkACLs: &armsignalr.NetworkACLs{DefaultAction: to.Ptr(armsignalr.ACLActionDeny), PublicNetwork: &armsignalr.NetworkACL{Allow: types(allow...)}},
		}
	}
	key := *u.keys.PrimaryKey
	if _, err := u.patch(ctx, acls(armsignalr.SignalRRequestTypeRESTAPI)); err != nil {
		return err
	}
	if err := errors.Join(u.gateway.wantSend(key, http.StatusAccepted), u.gateway.wantRefused(key)); err != nil {
		return err
	}
	if _, err := u.patch(ctx, acls(armsignalr.SignalRRequestTypeClientConnection)); err != nil {
		return err
	}
	ours, err1 := u.gateway.allowed(key, "https://a.example")
	others, err2 := u.gateway.allowed(key, "https://b.example")
	err := errors.Join(err1, err2, want("the allowed origin", ours, "https://a.example"), want("the allowed origin", others, ""),
		u.gateway.wantSend(key, http.StatusForbidden), u.gateway.wantMode(key, serverless))
	_, err3 := u.patch(ctx, acls(armsignalr.SignalRRequestTypeClientConnection, armsignalr.SignalRRequestTypeServerConnection, armsignalr.SignalRRequestTypeRESTAPI, armsignalr.SignalRRequestTypeTrace))
	return errors.Join(err, err3)
}

func (u *user) refused(ctx context.Context) error {
	_, err := u.patch(ctx, armsignalr.Properties{Serverless: &armsignalr.ServerlessSettings{ConnectionTimeoutInSeconds: to.Ptr[int32](121)}})
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return fmt.Errorf("the error is %w", err)
	}
	return errors.Join(want("the status", answer.StatusCode, http.StatusBadRequest), want("the code", answer.ErrorCode, "ValidationFailed"),
		want("the field is named", strings.Contains(answer.Error(), "properties.serverless.connectionTimeoutInSeconds"), true))
}

func (u *user) restarts(ctx context.Context) error {
	c, err := u.gateway.wantConnected(*u.keys.PrimaryKey, serverless)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	p, err := u.client.BeginRestart(ctx, group, name, nil)
	if err != nil {
		return err
	}
	if _, err := p.PollUntilDone(ctx, poll); err != nil {
		return err
	}
	closed, err := c.next()
	if err != nil || !strings.Contains(closed, `"allowReconnect":true`) {
		return fmt.Errorf("the client was told %s, %v", closed, err)
	}
	return u.gateway.wantMode(*u.keys.PrimaryKey, serverless)
}

func (u *user) second(ctx context.Context) error {
	_, err := u.client.BeginCreateOrUpdate(ctx, group, "another", armsignalr.ResourceInfo{Location: to.Ptr("local")}, nil)
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return fmt.Errorf("the error is %w", err)
	}
	return want("the code", answer.ErrorCode, "QuotaExceeded")
}

func (u *user) lists(ctx context.Context) error {
	skus, err1 := u.client.ListSKUs(ctx, group, name, nil)
	usages, err2 := u.factory.NewUsagesClient().NewListPager("local", nil).NextPage(ctx)
	operations, err3 := u.factory.NewOperationsClient().NewListPager(nil).NextPage(ctx)
	domains, err4 := u.factory.NewCustomDomainsClient().NewListPager(group, name, nil).NextPage(ctx)
	certificates, err5 := u.factory.NewCustomCertificatesClient().NewListPager(group, name, nil).NextPage(ctx)
	endpoints, err6 := u.factory.NewPrivateEndpointConnectionsClient().NewListPager(group, name, nil).NextPage(ctx)
	links, err7 := u.factory.NewPrivateLinkResourcesClient().NewListPager(group, name, nil).NextPage(ctx)
	shared, err8 := u.factory.NewSharedPrivateLinkResourcesClient().NewListPager(group, name, nil).NextPage(ctx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8); err != nil {
		return err
	}
	nothing := len(domains.Value) + len(certificates.Value) + len(endpoints.Value) + len(links.Value) + len(shared.Value)
	return errors.Join(want("SKUs", len(skus.Value), 4), want("usages", len(usages.Value), 2), want("there are operations", len(operations.Value) > 5, true), want("what there is not", nothing, 0))
}

func (u *user) deletes(ctx context.Context) error {
	p, err := u.client.BeginDelete(ctx, group, name, nil)
	if err != nil {
		return err
	}
	if _, err := p.PollUntilDone(ctx, poll); err != nil {
		return err
	}
	_, err = u.client.Get(ctx, group, name, nil)
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return fmt.Errorf("the error is %w", err)
	}
	return errors.Join(want("the code", answer.ErrorCode, "ResourceNotFound"), u.gateway.wantMode(*u.keys.PrimaryKey, serverless))
}

func (u *user) wrongSecret(ctx context.Context) error {
	if err := u.login("wrong"); err != nil {
		return err
	}
	_, err := u.client.Get(ctx, group, name, nil)
	if err == nil || !strings.Contains(err.Error(), "invalid_client") {
		return fmt.Errorf("the error is %w", err)
	}
	resp, err := u.options.Transport.Do(must(http.NewRequest(http.MethodGet, u.gateway.ARM+"subscriptions?api-version=2020-01-01", nil)))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return errors.Join(want("the status", resp.StatusCode, http.StatusUnauthorized), want("the challenge", strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer authorization_uri="), true))
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

// javascript runs the cases of Azure's library for JavaScript.
func (s *suite) javascript() error {
	cmd := exec.Command("node", filepath.Join(os.Getenv("HUBGATE_ARM_JS"), "main.mjs"))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.gateway.Cert, "ARM="+s.gateway.ARM, "GATEWAY="+s.gateway.URL,
		"TENANT="+tenant, "SUBSCRIPTION="+subscription, "ADMIN_TOKEN="+adminToken)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Println(lines.Text())
		if strings.HasPrefix(lines.Text(), "FAIL ") {
			s.failed++
		}
	}
	return cmd.Wait()
}
