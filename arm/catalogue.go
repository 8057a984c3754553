package arm

import "net/http"

// What Azure sells has no effect here: any of it is accepted and given back. The lists are there since clients ask.

func tens(from, to, step int) (all []int) {
	for n := from; n <= to; n += step {
		all = append(all, n)
	}
	return all
}

func serveSKUs(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	sku := func(name, tier, size string, allowed []int) map[string]any {
		scale := "Manual"
		if len(allowed) == 1 {
			scale = "None"
		}
		return map[string]any{
			"resourceType": resourceType, "sku": map[string]any{"name": name, "tier": tier, "size": size},
			"capacity": map[string]any{"minimum": allowed[0], "maximum": allowed[len(allowed)-1], "default": allowed[0], "allowedValues": allowed, "scaleType": scale},
		}
	}
	small := append(tens(1, 9, 1), tens(10, 100, 10)...)
	return c.list(sku("Free_F1", "Free", "F1", []int{1}), sku("Standard_S1", "Standard", "S1", small),
		sku("Premium_P1", "Premium", "P1", small), sku("Premium_P2", "Premium", "P2", tens(100, 1000, 100)))
}

func serveUsages(c *call) error {
	r, err := c.h.resource(c.context())
	if err != nil {
		return err
	}
	resources := 0
	if r.exists() {
		resources = 1
	}
	id := "/subscriptions/" + c.h.options.Place.Subscription + "/providers/" + namespace + "/locations/" + c.values["location"] + "/usages/"
	usage := func(name, shown string, current, limit int) map[string]any {
		return map[string]any{"id": id + name, "currentValue": current, "limit": limit, "unit": "Count", "name": map[string]any{"value": name, "localizedValue": shown}}
	}
	connections, limit := c.h.options.Usage()
	if limit <= 0 {
		limit = 1<<31 - 1 // there is none; clients want a number
	}
	return c.list(usage("SignalRInstances", "SignalR resources", resources, 1), usage("Connections", "Client connections", connections, limit))
}

func serveOperations(c *call) error {
	operation := func(name, resource, what string) map[string]any {
		return map[string]any{"name": namespace + "/" + name, "isDataAction": false, "origin": "user,system",
			"display": map[string]any{"provider": namespace, "resource": resource, "operation": what, "description": what}}
	}
	return c.list(
		operation("SignalR/read", "SignalR", "Show the settings of the gateway"),
		operation("SignalR/write", "SignalR", "Change the settings of the gateway"),
		operation("SignalR/delete", "SignalR", "Take back what was set"),
		operation("SignalR/listKeys/action", "SignalR", "Show the access keys"),
		operation("SignalR/regenerateKey/action", "SignalR", "Replace an access key"),
		operation("SignalR/restart/action", "SignalR", "Close all clients and hub servers once"),
		operation("locations/usages/read", "Usages", "Show how much is used"),
		operation("locations/checkNameAvailability/action", "NameAvailability", "Ask whether a name is free"),
	)
}

// children are kinds of resources below the resource that a gateway never has any of.
var children = []struct{ path, what, why string }{
	{"replicas", "Replicas", "Replicas are nodes of a cluster here: start more gateways with the same cluster.secret."},
	{"customcertificates", "Certificates", "The certificate of the gateway is a file: tls.cert and tls.key."},
	{"customdomains", "Domains", "The gateway answers under every name that leads to it; publicUrl says which one it gives out."},
	{"privateendpointconnections", "Private endpoints", "Private endpoints are a matter of the network that the gateway is in."},
	{"privatelinkresources", "Private links", "Private links are a matter of the network that the gateway is in."},
	{"sharedprivatelinkresources", "Shared private links", "Private links are a matter of the network that the gateway is in."},
}

func childRoutes() []route {
	const below = resourcePath + "/"
	var all []route
	for _, child := range children {
		all = append(all, at(http.MethodGet, below+child.path, serveNoChildren))
		refused := func(c *call) error {
			if _, err := c.named(); err != nil {
				return err
			}
			return badRequest("NotSupported", "%s", child.why)
		}
		missing := func(c *call) error {
			if _, err := c.named(); err != nil {
				return err
			}
			return refuse(http.StatusNotFound, "ResourceNotFound", "%s: there is none named '%s'. %s", child.what, c.values["child"], child.why)
		}
		one := below + child.path + "/{child}"
		all = append(all, at(http.MethodGet, one, missing), at(http.MethodPut, one, refused), at(http.MethodPatch, one, missing),
			at(http.MethodDelete, one, serveNothingToDelete), at(http.MethodPost, one+"/restart", missing), at(http.MethodGet, one+"/skus", missing))
	}
	return all
}

func serveNoChildren(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	return c.list()
}

func serveNothingToDelete(c *call) error {
	if _, err := c.named(); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
