package arm

import (
	"errors"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/management"
)

const (
	subscriptionPath = "subscriptions/{subscription}"
	groupPath        = subscriptionPath + "/resourcegroups/{group}"
	servicePath      = subscriptionPath + "/providers/microsoft.signalrservice"
	resourcePath     = groupPath + "/providers/microsoft.signalrservice/signalr/{name}"
)

func (h *Handler) allRoutes() []route {
	routes := []route{
		unguarded(http.MethodGet, "metadata/endpoints", serveEndpoints),
		at(http.MethodGet, "tenants", serveTenants),
		at(http.MethodGet, "subscriptions", serveSubscriptions),
		at(http.MethodGet, subscriptionPath, serveSubscription),
		at(http.MethodGet, subscriptionPath+"/locations", serveLocations),
		at(http.MethodGet, subscriptionPath+"/resources", serveResources),
		at(http.MethodGet, subscriptionPath+"/providers", serveProviders),
		at(http.MethodGet, subscriptionPath+"/providers/{namespace}", serveProvider),
		at(http.MethodPost, subscriptionPath+"/providers/{namespace}/register", serveProvider),
		at(http.MethodGet, subscriptionPath+"/resourcegroups", serveGroups),
		at(http.MethodGet, groupPath, serveGroup),
		at(http.MethodPut, groupPath, servePutGroup),
		at(http.MethodDelete, groupPath, serveDeleteGroup),
		at(http.MethodGet, groupPath+"/resources", serveResources),
		at(http.MethodGet, "providers/microsoft.signalrservice/operations", serveOperations),
		at(http.MethodPost, servicePath+"/locations/{location}/checknameavailability", serveCheckName),
		at(http.MethodGet, servicePath+"/locations/{location}/usages", serveUsages),
		at(http.MethodGet, servicePath+"/locations/{location}/operationresults/{operation}", serveResult),
		at(http.MethodGet, servicePath+"/signalr", serveList),
		at(http.MethodGet, groupPath+"/providers/microsoft.signalrservice/signalr", serveList),
		at(http.MethodGet, resourcePath, serveGet),
		at(http.MethodPut, resourcePath, servePut),
		at(http.MethodPatch, resourcePath, servePatch),
		at(http.MethodDelete, resourcePath, serveDelete),
		at(http.MethodPost, resourcePath+"/listkeys", serveListKeys),
		at(http.MethodPost, resourcePath+"/regeneratekey", serveRegenerateKey),
		at(http.MethodPost, resourcePath+"/restart", serveRestart),
		at(http.MethodGet, resourcePath+"/skus", serveSKUs),
	}
	return append(append(routes, childRoutes()...), loginRoutes()...)
}

// asError makes an answer of any error.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if invalid, ok := errors.AsType[*management.InvalidError](err); ok {
		return invalidFields(invalid)
	}
	switch {
	case errors.Is(err, management.ErrConflict):
		return refuse(http.StatusConflict, "Conflict", "%v.", err)
	case errors.Is(err, management.ErrUnavailable), errors.Is(err, management.ErrUnreadable):
		return refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "%v.", err)
	}
	return refuse(http.StatusInternalServerError, "InternalServerError", "%v", err)
}

// invalidFields names every field that is wrong.
func invalidFields(err *management.InvalidError) *Error {
	e := badRequest("ValidationFailed", "The request is not valid: %s.", strings.ReplaceAll(strings.TrimSuffix(err.Error(), "."), "\n", "; "))
	for _, f := range err.Fields {
		e.Details = append(e.Details, ErrorDetail{Code: "InvalidValue", Message: strings.TrimSpace(f.Path + " " + f.Reason), Target: f.Path})
	}
	if len(err.Fields) > 0 {
		e.Target = err.Fields[0].Path
	}
	return e
}

// queryFold is a value of the query, whose names have any letter case.
func queryFold(r *http.Request, name string) string {
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}
