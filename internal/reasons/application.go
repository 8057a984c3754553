package reasons

var restFailures = List{
	Anchor: "rest", Title: "A REST request failed", Type: "restapi.FailureReason",
	Line: "request failed", Attribute: "reason", Metric: "hubgate_rest_requests_failed_total",
	Intro: "The answer has a code and a sentence, see [REST](rest.md#errors). The log line has the operation, the status and the error.",
	Reasons: []Reason{
		{"UnknownRoute", "404 `Error.Request.NotExisted`. There is no such operation.", "Compare the path with [REST](rest.md#operations). A hub, group or user with special characters must be percent-encoded."},
		{"MethodNotAllowed", "405 `Error.Request.Invalid`. The path has other methods.", "The header `Allow` of the answer lists them."},
		{"URITooLong", "414 `Error.Request.Invalid`. Path and query are longer than `limits.uriBytes`.", "Shorten the list of `excluded` connections, or raise the option."},
		{"PageRequest", "403 `Error.Request.Invalid`. A browser asks whether a page may use REST. It may not: it would need the access key.", "Let the page call your application, and your application call REST."},
		{"TokenRefused", "401 without a body, or 413. For tokens of an issuer also 403, if it does not allow the request, and 503, if its keys cannot be read. There is no token, or it was refused. `WWW-Authenticate` and the log say why.", "Look the reason up in [the list of clients](#client-tokenmissing): the reasons of tokens are the same. The audience of a REST token is the URL of the request. `hubgate token check TOKEN --resource /api/…` checks it."},
		{"InvalidParameter", "400 `Error.Request.Invalid`, or the code of a hub, group, user or connection. A name or a parameter is not valid.", "The answer's `message` says which. See [names](rest.md#names)."},
		{"UnsupportedContentType", "415 `Error.Request.Invalid`. The body has another `Content-Type` than the three that exist.", "Send `application/json`, `application/x-msgpack` or `application/octet-stream`."},
		{"UnsupportedContentEncoding", "415 `Error.Request.Invalid`. The body is compressed, but not with gzip.", "Use gzip, or do not compress."},
		{"InvalidBody", "400 `Error.Request.Invalid`. There is no body, or it is no message.", "Send `{\"target\":\"method\",\"arguments\":[…]}`."},
		{"BodyTooLarge", "413 `Error.Request.Invalid`. The body is larger than `limits.restBodyBytes`.", "Send less, or raise the option."},
		{"BodyTooSlow", "408 `Error.Request.Invalid`. The body took longer than 30 s to arrive.", "The network between application and gateway is slow, or a proxy holds data back."},
		{"NotExisted", "404 with the code of a connection, a user or a group. It does not exist, or is not connected.", "Nothing is wrong: SDKs read this as the answer \"does not exist\". It is logged at debug."},
		{"TooManyGroups", "400 `Error.Connection.Invalid`. The connection is in as many groups as `limits.groupsPerConnection` allows.", "Leave groups that are no longer needed, or raise the option."},
		{"HubBusy", "503 `Error.Request.Unknown`. Too many bytes wait for the clients of the hub (`limits.hubQueuedBytes`). Nothing was sent.", "Try again after the time in `Retry-After`. If it stays, you send more than your clients can read."},
		{"RateLimited", "429 `Error.Request.Throttled`. The caller is over one of [your rules](limits.md#rules-of-your-own) for access keys. The sentence names the rule and when to try again.", "Try again after the time in `Retry-After`, send less often, or change `limits.rules`."},
		{"KeyReused", "422 `Error.Request.Invalid`. The `Idempotency-Key` belongs to another request: another path, query, content type or body. Nothing was sent.", "Make a new key for each request. See [sending once](rest.md#sending-once)."},
		{"KeyInUse", "409 `Error.Request.Invalid`. The first request with this `Idempotency-Key` has no answer yet, or its node died within the last 30 s. Nothing was sent.", "Try again after the time in `Retry-After`."},
		{"TooManyKeys", "429 `Error.Request.Throttled`. As many of `Idempotency-Key` are remembered as there is room for. Nothing was sent; no key is forgotten before its time.", "Try again after the time in `Retry-After`, send without a key, or lower `rest.idempotencyAge`."},
		{"StoreFull", "503 `Error.Request.Unknown`. There is no room for more memberships of users.", "Give memberships a `ttl`, or let users leave groups."},
		{"StoreUnavailable", "503 `Error.Request.Unknown`. In a [cluster](cluster.md): no majority of voters answered, so memberships of users could not be read or changed, and whether a change was made is not known. Or whether an `Idempotency-Key` was used could not be asked; then nothing was sent.", "Try again after the time in `Retry-After`; it does no harm. If it stays: see `hubgate cluster status`."},
		{"NodesSilent", "503 `Error.Request.Unknown`. In a [cluster](cluster.md): a node did not answer a question within five seconds.", "Try again after the time in `Retry-After`. See `hubgate cluster status`."},
		{"Draining", "503. The health check says that the gateway is shutting down.", Nothing},
		{"NoAnswer", "504. A client did not answer an invocation in time: it has no such method, is slow, or does not hear. Whether it got the call is not known.", "Look at the client. Raise `clients.invokeTimeout` if it needs longer."},
		{"ClientError", "400 with what the client said: its method failed, there is no such method, or its answer cannot be read.", "Look at the client's method."},
		{"CallerGone", "The application closed its connection before the answer.", "Raise the timeout of the application's HTTP client."},
		{"Panic", "500 `Error.Unknown.Unknown`. A fault of the gateway.", "Report it, with the stack in the log."},
		{"InternalError", "500 `Error.Unknown.Unknown`. Another fault of the gateway.", "Report it, with the error in the log."},
	},
}

var presenceFailures = List{
	Anchor: "presence", Title: "A request about who is connected failed", Type: "presence.FailureReason",
	Line: "presence request failed", Attribute: "reason", Metric: "hubgate_presence_requests_failed_total",
	Intro: "Requests below `/hubgate`. The answer has the reason as `code`, and a sentence. See [presence](presence.md).",
	Reasons: []Reason{
		{"PresenceOff", "404. The option `presence.access` is `off`, or somebody wants to follow changes and `presence.events` is off.", "Set the one to `key` or `claim`, or the other to true, if applications may know who is connected."},
		{"UnknownRoute", "404. There is no such path.", "Compare the path with [presence](presence.md)."},
		{"MethodNotAllowed", "405. The path does not have this method.", "Use GET."},
		{"TokenRefused", "401; 413 for a token that is too long; 403 for one of an issuer that lacks the right; 503, with `Retry-After`, if the keys of its issuer cannot be read. There is no token, or it was refused; the line says why.", "The audience of the token is the URL of the request without its query. `hubgate token check` explains a token."},
		{"Forbidden", "403. The option `presence.access` is `claim`, and the token has no claim `hubgate.presence` that names the right `read`.", "Sign the token with that claim."},
		{"InvalidParameter", "400. A parameter is not valid; the sentence says which.", "Correct it."},
		{"TooManyRequests", "429. The node makes sixteen lists already, or 128 follow changes there, or changes of 32 hubs are followed.", "Try again after the time in `Retry-After`. Ask less often, and for larger pages."},
		{"RateLimited", "429. The caller is over one of [your rules](limits.md#rules-of-your-own) for access keys. The sentence names the rule and when to try again.", "Try again after the time in `Retry-After`, or change `limits.rules`."},
		{"NodesSilent", "503. In a [cluster](cluster.md): a node did not answer within five seconds, was busy, or the node that was asked does not know all others yet. Part of a list would be missing.", "Try again after the time in `Retry-After`. See `hubgate cluster status`."},
		{"CallerGone", "The application closed its connection before the answer.", Nothing},
		{"InternalError", "500. A fault of the gateway.", "Report it, with the error in the log."},
	},
}

var webhookResults = List{
	Anchor: "webhook", Title: "A webhook was called", Type: "upstream.Result",
	Line: "webhook called", Attribute: "result", Metric: "hubgate_upstream_requests_total",
	Intro: "The log line has the event, the URL without secrets, the status, the time it took and the error.",
	Reasons: []Reason{
		{"ok", "The webhook answered 200 or 204, and the body of an answer to `invoke` was good.", Nothing},
		{"status", "The webhook answered with another status. A client that waits gets \"Invocation failed, status code 404\".", "404: the application has no such route; compare `upstream` in the line with your routes. 500: see the application's log. 401: the application's signature check failed, so the keys differ."},
		{"rejected", "The webhook answered `connected` with 401 or 403. The client is closed as [InvokeUpstreamFailed](#close-invokeupstreamfailed).", "If you did not mean to reject it: the application's key differs from the gateway's, so its signature check fails."},
		{"too_large", "The answer is larger than `upstream.maxResponseBytes`.", "Answer with less, and send the rest through REST. Or raise the option."},
		{"malformed", "The answer to an `invoke` is no completion of that call.", "Answer with `{\"type\":3,\"invocationId\":\"…\",\"result\":…}`, with the `invocationId` of the request. See [the answer](upstream.md#the-answer)."},
		{"connect", "No connection to the application: its name was not found, nothing listens there, or TLS failed. A client that waits gets \"Invocation failed, status code 500\".", "Start the application. In a container `localhost` is the container: use the name of the other one. For a certificate of your own set `SSL_CERT_FILE`."},
		{"guarded", "The URL leads to a link-local address or to a cloud's metadata service.", "If you mean it: `--upstream-allow-link-local`."},
		{"broken", "The connection broke after the event may have arrived. It is not sent again.", "Look for a crash of the application, or a proxy with short timeouts."},
		{"timeout", "There was no complete answer within `upstream.timeout`.", "Answer webhooks at once and do slow work afterwards."},
		{"busy", "The event did not get its turn in time: `upstream.maxConcurrentPerOrigin` requests to this server were under way.", "Make the webhooks faster, or raise the option."},
		{"token", "The webhook's template wants a token of the gateway (`auth`), and the token server gave none. Nothing was sent.", "The line's error says what the server answered. Compare `upstream.tokenUrl`, `upstream.clientId` and `upstream.clientSecret` with what it knows. See [identity](identity.md#tokens-for-webhooks)."},
		{"shutdown", "The gateway ended before the answer.", "Raise `--drain-timeout` if webhooks need longer than that."},
	},
}

var skips = List{
	Anchor: "skipped", Title: "An event called no webhook", Type: "upstream.SkipReason",
	Line: "webhook skipped", Attribute: "reason", Metric: "hubgate_upstream_skipped_total",
	Intro: "Reasons other than `unmatched` and `url` are only counted: the client's error or the line about its end says the same.",
	Reasons: []Reason{
		{"unmatched", "No template takes the event. A client that waits gets \"No upstream endpoint matches …\".", "Start the gateway with `--upstream URL`, or widen the patterns. `hubgate upstream list` shows them. For hubs in application servers: `--mode default`."},
		{"unsupported", "The client called `stream()`. In Serverless mode that is an error, unless `upstream.streams` is set.", "Send the items as messages, or use a hub in Default mode."},
		{"target", "The method's name has control characters, spaces at its ends, or more than 4 KiB.", "Use another name."},
		{"url", "The template makes no URL, mostly because a secret is missing: an environment variable or a file.", "The error in the log names it. See [secrets](upstream.md#secrets)."},
		{"queue_full", "Too many events of the client wait for earlier ones. A `send` then closes the client as [Throttled](#close-throttled).", "Make the webhooks faster, or raise `upstream.queuePerConnection`."},
		{"client_rejected", "The client was rejected by the webhook for `connected`. What it sent meanwhile is not delivered.", "See [rejected](#webhook-rejected)."},
		{"panic", "A fault of the gateway while it handled the event. The connection ends.", "Report it, with the stack in the log."},
		{"abandoned", "The event waited behind one with `panic`.", "See [panic](#skipped-panic)."},
		{"shutdown", "The gateway ended before the event had its turn.", "Raise `--drain-timeout`."},
		{"held", "A node of a cluster that cannot reach the others or their store must not say that a client has ended. It says so when it reaches them again, or another node has said so.", "Look at the log for why the node could not reach the store."},
		{"left", "With an [outbox](deliveries.md): the gateway ended before the event was delivered. It stays in the store, and is delivered after the next start or by another node.", Nothing},
		{"elsewhere", "With an [outbox](deliveries.md): the other nodes have given this one up, and deliver the event.", "Look at the log for why the node could not reach the store."},
		{"waited", "With an [outbox](deliveries.md): an `invoke` waited for `upstream.timeout` behind an event of the same client that cannot be delivered. The client gets an error.", "Look for `webhook called` of that client, and mend the webhook."},
	},
}

var deadLetters = List{
	Anchor: "dead", Title: "An event became a dead letter", Type: "upstream.DeadReason",
	Line: "event became a dead letter", Attribute: "reason", Metric: "hubgate_outbox_dead_letters_total",
	Intro: "Only with an [outbox](deliveries.md). `hubgate upstream deliveries list` shows dead letters with the last answer, `resend` delivers one again.",
	Reasons: []Reason{
		{"refused", "The webhook answered with a status that stays the same if the event is sent again: any 3xx or 4xx but 408, 425 and 429.", "404: the application has no such route. 401: its signature check failed, so the keys differ. Mend it, and resend the letter."},
		{"expired", "The event could not be delivered within `upstream.outboxAge`.", "The status and the error in the line say what the last attempt ended with. Resend the letter when the application works."},
		{"guarded", "The URL leads to a link-local address or to a cloud's metadata service.", "If you mean it: `--upstream-allow-link-local`, and resend the letter."},
		{"no_template", "No template takes the event any more: the settings changed after it happened.", "Resend the letter when there is a template for it, or leave it."},
		{"fault", "A fault of the gateway while it handled the event.", "Report it, with the stack in the log."},
	},
}
