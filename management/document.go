package management

import "encoding/json"

// Document is the settings that somebody has set. A field that is nil or empty is not set: its value is that
// of the configuration. Fields without effect here are kept as they are; docs/settings.md lists them.
type Document struct {
	// Location, Kind, Tags, SKU and Identity are kept and given back. They have no effect.
	Location   string            `json:"location,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	SKU        *SKU              `json:"sku,omitempty"`
	Identity   json.RawMessage   `json:"identity,omitempty"`
	Properties Properties        `json:"properties"`
	// Resource is the name that the gateway has in the resource API; nil while nobody has given it one there.
	Resource *Resource `json:"resource,omitempty"`
}

// Resource is a name in the resource API. The zero value is that of a resource that was deleted there.
type Resource struct {
	Group string `json:"group,omitempty"`
	Name  string `json:"name,omitempty"`
}

// SKU is what would be paid for. It has no effect: limits are those of the configuration.
type SKU struct {
	Name     string `json:"name,omitempty"`
	Tier     string `json:"tier,omitempty"`
	Size     string `json:"size,omitempty"`
	Family   string `json:"family,omitempty"`
	Capacity int    `json:"capacity,omitempty"`
}

// Properties are the properties of the resource.
type Properties struct {
	// Features are flags: see [FlagServiceMode] and its neighbours. Names and values ignore letter case.
	Features   []Feature   `json:"features,omitempty"`
	CORS       *CORS       `json:"cors,omitempty"`
	Serverless *Serverless `json:"serverless,omitempty"`
	Upstream   *Upstream   `json:"upstream,omitempty"`
	Firewall   *Firewall   `json:"applicationFirewall,omitempty"`
	// Stopped is "true" or "false" (resourceStopped). A stopped gateway has no clients and takes none.
	Stopped string `json:"resourceStopped,omitempty"`
	Access
	Logs
	// Hubgate holds options of hubgate's own, with the keys of the configuration file: limits, clients,
	// hubs and others that may change while the gateway runs. A JSON object.
	Hubgate json.RawMessage `json:"hubgate,omitempty"`
	Ignored
}

// Access says who may come in, and from where.
type Access struct {
	NetworkACLs *NetworkACLs `json:"networkACLs,omitempty"`
	// PublicNetworkAccess is Enabled or Disabled. Disabled refuses everything.
	PublicNetworkAccess string `json:"publicNetworkAccess,omitempty"`
	// DisableLocalAuth refuses tokens that are signed with an access key, DisableAADAuth those of issuers.
	DisableLocalAuth *bool `json:"disableLocalAuth,omitempty"`
	DisableAADAuth   *bool `json:"disableAadAuth,omitempty"`
	TLS              *TLS  `json:"tls,omitempty"`
}

// Logs says what is traced and logged.
type Logs struct {
	LiveTrace   *LiveTrace   `json:"liveTraceConfiguration,omitempty"`
	ResourceLog *ResourceLog `json:"resourceLogConfiguration,omitempty"`
}

// Ignored are kept and given back. They have no effect.
type Ignored struct {
	RegionEndpointEnabled string          `json:"regionEndpointEnabled,omitempty"`
	RouteSettings         json.RawMessage `json:"routeSettings,omitempty"`
}

// Names of features.
const (
	FlagServiceMode      = "ServiceMode"
	FlagConnectivityLogs = "EnableConnectivityLogs"
	FlagMessagingLogs    = "EnableMessagingLogs"
	FlagLiveTrace        = "EnableLiveTrace"
)

// Feature is a flag and its value of 1 to 128 characters.
type Feature struct {
	Flag       string          `json:"flag"`
	Value      string          `json:"value"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

// CORS says which web pages may use the gateway.
type CORS struct {
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
}

// Serverless holds timers, in seconds, 1 to 120 each.
type Serverless struct {
	ConnectionTimeout *int `json:"connectionTimeoutInSeconds,omitempty"`
	KeepAlive         *int `json:"keepAliveIntervalInSeconds,omitempty"`
}

// Upstream holds the webhooks. The list replaces that of the configuration.
type Upstream struct {
	Templates []Template `json:"templates"`
}

// Template is one webhook. URLTemplate may hold secrets: readers are given it masked, and who writes a
// masked text back has changed nothing.
type Template struct {
	HubPattern      string        `json:"hubPattern,omitempty"`
	EventPattern    string        `json:"eventPattern,omitempty"`
	CategoryPattern string        `json:"categoryPattern,omitempty"`
	URLTemplate     string        `json:"urlTemplate"`
	Auth            *TemplateAuth `json:"auth,omitempty"`
}

// TemplateAuth is None, or ManagedIdentity: then a token comes from upstream.tokenUrl of the configuration.
type TemplateAuth struct {
	Type            string           `json:"type,omitempty"`
	ManagedIdentity *ManagedIdentity `json:"managedIdentity,omitempty"`
}

// ManagedIdentity names what the token is asked for.
type ManagedIdentity struct {
	Resource string `json:"resource,omitempty"`
}

// TLS says whether clients are asked for a certificate.
type TLS struct {
	ClientCertEnabled *bool `json:"clientCertEnabled,omitempty"`
}

// NetworkACLs says which kinds of requests are taken, and from where: see docs/settings.md for the order.
type NetworkACLs struct {
	// DefaultAction is Allow or Deny.
	DefaultAction string      `json:"defaultAction,omitempty"`
	PublicNetwork *NetworkACL `json:"publicNetwork,omitempty"`
	// PrivateEndpoints are kept and have no effect.
	PrivateEndpoints []PrivateEndpointACL `json:"privateEndpoints,omitempty"`
	IPRules          []IPRule             `json:"ipRules,omitempty"`
}

// NetworkACL lists kinds of requests: ClientConnection, ServerConnection, RESTAPI and Trace.
type NetworkACL struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// PrivateEndpointACL has no effect.
type PrivateEndpointACL struct {
	Name  string   `json:"name"`
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// IPRule is an address or a network in CIDR notation, and Allow or Deny.
type IPRule struct {
	Value  string `json:"value"`
	Action string `json:"action"`
}

// Firewall bounds clients by what their tokens say. Each list has at most 10 rules.
type Firewall struct {
	ClientConnectionCountRules []CountRule   `json:"clientConnectionCountRules,omitempty"`
	ClientTrafficControlRules  []TrafficRule `json:"clientTrafficControlRules,omitempty"`
	// MaxClientConnectionLifetime is in seconds, 0 to 604800. 0 is no bound.
	MaxClientConnectionLifetime *int `json:"maxClientConnectionLifetimeInSeconds,omitempty"`
}

// CountRule bounds the connections of one user, token or claim: ThrottleByJwtSignatureRule,
// ThrottleByUserIdRule or ThrottleByJwtCustomClaimRule.
type CountRule struct {
	Type      string `json:"type"`
	ClaimName string `json:"claimName,omitempty"`
	MaxCount  *int   `json:"maxCount,omitempty"` // 20 if nil
}

// TrafficRule bounds what the clients of one user, token or claim send: TrafficThrottleByJwtSignatureRule,
// TrafficThrottleByUserIdRule or TrafficThrottleByJwtCustomClaimRule.
type TrafficRule struct {
	Type                   string `json:"type"`
	ClaimName              string `json:"claimName,omitempty"`
	MaxInboundMessageBytes *int64 `json:"maxInboundMessageBytes,omitempty"`     // 1 GB if nil
	AggregationWindow      *int   `json:"aggregationWindowInSeconds,omitempty"` // 10 to 3600, 60 if nil
}

// LiveTrace is what live trace shows. Enabled is "true" or "false".
type LiveTrace struct {
	Enabled    string        `json:"enabled,omitempty"`
	Categories []LogCategory `json:"categories,omitempty"`
}

// ResourceLog is what resource logs hold.
type ResourceLog struct {
	Categories []LogCategory `json:"categories,omitempty"`
}

// LogCategory is ConnectivityLogs, MessagingLogs or HttpRequestLogs, and "true" or "false".
type LogCategory struct {
	Name    string `json:"name"`
	Enabled string `json:"enabled"`
}

// Feature returns the value of a flag and whether it is set.
func (p *Properties) Feature(flag string) (string, bool) {
	for _, f := range p.Features {
		if equalFold(f.Flag, flag) {
			return f.Value, true
		}
	}
	return "", false
}

// SetFeature sets a flag and leaves the others.
func (p *Properties) SetFeature(flag, value string) {
	for i := range p.Features {
		if equalFold(p.Features[i].Flag, flag) {
			p.Features[i].Value = value
			return
		}
	}
	p.Features = append(p.Features, Feature{Flag: flag, Value: value})
}
