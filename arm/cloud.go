package arm

import (
	"net/http"
	"strings"
)

// serveEndpoints tells a command line that is pointed here where everything is: here.
func serveEndpoints(c *call) error {
	base := c.base() + "/"
	audiences := []string{base}
	// Of a directory of this kind nobody asks Microsoft whether it is known.
	login := base + "adfs"
	version := queryFold(c.r, "api-version")
	if version < "2018" {
		return c.json(http.StatusOK, map[string]any{
			"galleryEndpoint": base, "graphEndpoint": base, "portalEndpoint": base,
			"authentication": map[string]any{"loginEndpoint": login, "audiences": audiences},
		})
	}
	cloud := map[string]any{
		"name": "hubgate", "resourceManager": base, "portal": base, "gallery": base, "graph": base, "graphAudience": base,
		"microsoftGraphResourceId": base, "batch": base, "media": base, "sqlManagement": base, "vmImageAliasDoc": base,
		"activeDirectoryDataLake": base, "appInsightsResourceId": base, "appInsightsTelemetryChannelResourceId": base,
		"logAnalyticsResourceId": base, "attestationResourceId": base, "synapseAnalyticsResourceId": base, "ossrdbmsResourceId": base,
		"authentication": map[string]any{"loginEndpoint": login, "audiences": audiences, "tenant": c.h.options.Place.Tenant, "identityProvider": "ADFS"},
		"suffixes":       map[string]any{},
	}
	if strings.HasPrefix(version, "2019") || strings.HasPrefix(version, "2020") {
		return c.json(http.StatusOK, []any{cloud})
	}
	return c.json(http.StatusOK, cloud)
}

func (c *call) tenant() map[string]any {
	id := c.h.options.Place.Tenant
	return map[string]any{"id": "/tenants/" + id, "tenantId": id, "displayName": "hubgate", "defaultDomain": "hubgate", "countryCode": "", "domains": []string{"hubgate"}, "tenantCategory": "Home"}
}

func serveTenants(c *call) error { return c.list(c.tenant()) }

func (c *call) subscription() map[string]any {
	id, tenant := c.h.options.Place.Subscription, c.h.options.Place.Tenant
	return map[string]any{
		"id": "/subscriptions/" + id, "subscriptionId": id, "tenantId": tenant, "displayName": "hubgate", "state": "Enabled",
		"subscriptionPolicies": map[string]any{"locationPlacementId": "Public_2014-09-01", "quotaId": "hubgate", "spendingLimit": "Off"},
		"authorizationSource":  "RoleBased", "managedByTenants": []any{},
	}
}

func serveSubscriptions(c *call) error { return c.list(c.subscription()) }

func serveSubscription(c *call) error { return c.json(http.StatusOK, c.subscription()) }

func serveLocations(c *call) error {
	resource, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	name := plainLocation(resource.location())
	return c.list(map[string]any{
		"id": "/subscriptions/" + c.h.options.Place.Subscription + "/locations/" + name, "name": name, "displayName": resource.location(), "regionalDisplayName": resource.location(),
		"metadata": map[string]any{"regionType": "Physical", "regionCategory": "Other"},
	})
}

// list answers with a collection that fits into one page.
func (c *call) list(items ...map[string]any) error {
	if items == nil {
		items = []map[string]any{}
	}
	return c.json(http.StatusOK, map[string]any{"value": items})
}

// provider describes the one that there is.
func (c *call) provider() map[string]any {
	kind := func(name string) map[string]any {
		return map[string]any{"resourceType": name, "locations": []string{}, "apiVersions": []string{"2024-10-01-preview", "2023-08-01-preview", "2023-02-01", "2022-02-01"}, "capabilities": "SupportsTags, SupportsLocation"}
	}
	return map[string]any{
		"id": "/subscriptions/" + c.h.options.Place.Subscription + "/providers/" + namespace, "namespace": namespace,
		"registrationState": "Registered", "registrationPolicy": "RegistrationRequired",
		"resourceTypes": []any{kind("SignalR"), kind("operations"), kind("locations/usages"), kind("checkNameAvailability")},
	}
}

func serveProviders(c *call) error { return c.list(c.provider()) }

func serveProvider(c *call) error {
	if !strings.EqualFold(c.values["namespace"], namespace) {
		return refuse(http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '%s' is invalid: there is only %s.", c.values["namespace"], namespace)
	}
	return c.json(http.StatusOK, c.provider())
}
