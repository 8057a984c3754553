package arm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCloudIsDescribedToWhoeverAsks(t *testing.T) {
	s := newStand(t)
	s.token = ""
	require.Equal(t, "https://arm.example:9443/adfs", s.raw("GET", "/metadata/endpoints?api-version=2015-01-01", "").at("authentication", "loginEndpoint"))
	a := s.raw("GET", "//metadata/endpoints?api-version=2022-09-01", "")
	require.Equal(t, "https://arm.example:9443/", a.at("resourceManager"))
	require.Equal(t, "https://arm.example:9443/", a.at("authentication", "audiences", 0))
	for _, at := range []string{"/" + tenant + "/v2.0", "/common/v2.0", "/adfs"} {
		a := s.raw("GET", at+"/.well-known/openid-configuration", "")
		require.Equal(t, 200, a.Code, at)
		require.True(t, strings.HasPrefix(a.at("token_endpoint").(string), "https://arm.example:9443/"))
	}
	require.Equal(t, 400, s.raw("GET", "/another/v2.0/.well-known/openid-configuration", "").Code)
	a = s.raw("GET", "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://arm.example:9443/x/oauth2/v2.0/authorize", "")
	require.Equal(t, "https://arm.example:9443/"+tenant+"/v2.0/.well-known/openid-configuration", a.at("tenant_discovery_endpoint"))
	require.Empty(t, s.raw("GET", "/"+tenant+"/discovery/v2.0/keys", "").at("keys"))
}

func TestSubscriptionsTenantsAndProviders(t *testing.T) {
	s := newStand(t)
	of := "/subscriptions/" + subscription
	require.Equal(t, tenant, s.do(200, "GET", "/tenants", "").at("value", 0, "tenantId"))
	require.Equal(t, subscription, s.do(200, "GET", "/subscriptions", "").at("value", 0, "subscriptionId"))
	require.Equal(t, "Enabled", s.do(200, "GET", of, "").at("state"))
	require.Equal(t, "local", s.do(200, "GET", of+"/locations", "").at("value", 0, "name"))
	require.Equal(t, "Registered", s.do(200, "GET", of+"/providers/microsoft.signalrservice", "").at("registrationState"))
	require.Equal(t, "Registered", s.do(200, "POST", of+"/providers/Microsoft.SignalRService/register", "").at("registrationState"))
	s.refused(404, "InvalidResourceNamespace", "GET", of+"/providers/Microsoft.Storage", "")
	require.NotEmpty(t, s.do(200, "GET", "/providers/Microsoft.SignalRService/operations", "").at("value"))
	require.Len(t, s.do(200, "GET", of+"/providers/Microsoft.SignalRService/locations/x/usages", "").at("value"), 2)
}

func TestResourceGroupsAreNames(t *testing.T) {
	s := newStand(t)
	groups := "/subscriptions/" + subscription + "/resourceGroups"
	a := s.do(201, "PUT", groups+"/rg", `{"location":"West Europe"}`)
	require.Equal(t, "westeurope", a.at("location"))
	require.Equal(t, "rg", s.do(200, "GET", groups+"/rg", "").at("name"))
	s.do(201, "PUT", path, create)
	require.Equal(t, "rg", s.do(200, "GET", groups, "").at("value", 0, "name"))
	s.refused(409, "ResourceGroupDeletionBlocked", "DELETE", groups+"/RG", "")
	s.do(200, "DELETE", groups+"/another", "")
	s.refused(400, "InvalidResourceGroup", "GET", groups+"/a.", "")
	s.refused(400, "InvalidRequestContent", "PUT", groups+"/rg", "x")
	for filter, want := range map[string]int{"": 1, "resourceType eq 'microsoft.signalrservice/signalr'": 1, "resourceType eq 'Microsoft.Web/sites'": 0, "name eq 'gw1'": 1, "name eq 'other'": 0} {
		a := s.raw("GET", "/subscriptions/"+subscription+"/resources?api-version=2021-04-01&$filter="+strings.ReplaceAll(filter, " ", "%20"), "")
		require.Len(t, a.at("value"), want, filter)
	}
}

func TestTheGatewayHasNoResourcesBelowIt(t *testing.T) {
	s := newStand(t)
	s.do(201, "PUT", path, create)
	for _, kind := range []string{"replicas", "customCertificates", "customDomains", "privateEndpointConnections", "privateLinkResources", "sharedPrivateLinkResources"} {
		require.Equal(t, []any{}, s.do(200, "GET", path+"/"+kind, "").at("value"))
		s.refused(404, "ResourceNotFound", "GET", path+"/"+kind+"/x", "")
		s.refused(400, "NotSupported", "PUT", path+"/"+kind+"/x", `{}`)
		s.do(204, "DELETE", path+"/"+kind+"/x", "")
		s.refused(404, "ResourceNotFound", "GET", strings.Replace(path, "gw1", "gw2", 1)+"/"+kind, "")
	}
	require.Len(t, s.do(200, "GET", path+"/skus", "").at("value"), 4)
}
