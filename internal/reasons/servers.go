package reasons

var serverRefusals = List{
	Anchor: "server-refused", Title: "A hub server was refused", Type: "servermode.Refusal",
	Line: "server connection refused", Attribute: "reason", Metric: "hubgate_server_connections_refused_total",
	Intro: "The hub server's log has the text of the refusal too.",
	Reasons: []Reason{
		{"Request", "The request is no WebSocket upgrade, or names no valid hub.", "Hub servers connect to the gateway's URL, not through a proxy that removes the upgrade. Without a proxy: the hub's name is not valid, for instance because of a hyphen."},
		{"Token", "The token is not valid: HTTP 401.", "The `AccessKey` in the server's connection string is not the gateway's, or the clocks differ by more than `auth.leeway`."},
		{"Mode", "The hub is in Serverless mode.", "Start the gateway with `--mode default`, or `--hub-mode HUB=default` for this hub."},
		{"Version", "The server speaks another version of the service protocol.", "Use one of the [tested SDKs](compatibility.md)."},
		{"Kind", "The kind of the server connection is not known.", "Use one of the [tested SDKs](compatibility.md)."},
		{"Target", "The server asks for a node that this gateway is not. That happens for a moment after a restart.", "If it stays: two gateways behind one name. Send all requests to one gateway."},
		{"Handshake", "The first message is no handshake.", "What connects is no hub server."},
		{"Timeout", "The handshake did not come in time.", "Look for a proxy that holds data back."},
		{"TooMany", "There are as many server connections as `servers.maxConnections` allows.", "Raise the option. Each application server has five connections for each hub, unless its SDK says otherwise."},
		{"Shutdown", "The gateway is shutting down.", Nothing},
		{"Panic", "A fault of the gateway.", "Report it, with the stack in the log."},
	},
}

var serverEnds = List{
	Anchor: "server-closed", Title: "A server connection ended", Type: "servermode.End",
	Line: "server connection closed", Attribute: "reason", Metric: "hubgate_server_connections_closed_total",
	Intro: "The server connects again by itself. Its clients are closed as [ServerConnectionClosed](#close-serverconnectionclosed), unless they moved to another server before.",
	Reasons: []Reason{
		{"ClosedByServer", "The server closed the connection. It stops or restarts.", Nothing},
		{"Broken", "The socket failed: the server crashed, or the network between them broke.", "See the server's log."},
		{"Silent", "Nothing came from the server for 20 s.", "The server hangs, or a proxy ends quiet connections."},
		{"Malformed", "What the server sent cannot be read.", "Use one of the [tested SDKs](compatibility.md), and report it."},
		{"TooLarge", "A message of the server is larger than `servers.messageBytes`.", "Send less at once, or raise the option."},
		{"TextFrame", "The server sent text instead of binary data.", "What connects is no hub server."},
		{"Slow", "The server took nothing for too long, or more than four times `servers.queueBytes` waited for it.", "The server is overloaded. Start more of them."},
		{"ModeSwitched", "The hub was switched to Serverless mode.", Nothing},
		{"Panic", "A fault of the gateway.", "Report it, with the stack in the log."},
		{"Shutdown", "The gateway is shutting down.", Nothing},
	},
}

var losses = List{
	Anchor: "loss", Title: "Something between servers and clients was not carried out", Type: "servermode.Loss",
	Line: "message of a hub server not carried out; further ones like it are only counted", Attribute: "reason",
	Metric: "hubgate_server_losses_total",
	Intro:  "The log has one line for each reason and server connection, and only for messages of servers that the gateway could not use. The others are counted.",
	Reasons: []Reason{
		{"Migration", "The client moved to another server and its call did not finish within `servers.migrationTimeout`. The client got an error.", "Raise the option, or make the hub's methods faster."},
		{"ServerGone", "The client's server was lost during a call. The client got an error.", "The client may call again, if the method allows to be called twice."},
		{"NoServer", "A client in Classic mode that has no server called a method. The client got an error.", "Start the server before the clients, or use [Default mode](default.md)."},
		{"ClientResult", "A server asked a client for a result, and there is none: the client is gone, has no such method, or took longer than `servers.resultTimeout`. The server was told.", "Handle the exception in the hub."},
		{"LateCompletion", "The answer to a call came after the client had been given an error.", "See [Migration](#loss-migration)."},
		{"UnknownConnection", "The server sent data for a client that it never had.", "Report it, with the name and version of the SDK."},
		{"NoPayload", "The server sent a message without a payload.", "Report it, with the name and version of the SDK."},
		{"MalformedMessage", "A message of the server has wrong contents.", "Report it, with the name and version of the SDK."},
		{"MalformedRecord", "The server sent a client a record that is none in the client's protocol.", "Look for a custom hub protocol. Otherwise report it."},
		{"UnknownType", "A message of a type that this version does not know.", "The SDK is newer than the gateway. If a feature of it does not work, report it."},
		{"Unexpected", "A message that only the gateway sends, or an answer to nothing.", "Report it, with the name and version of the SDK."},
		{"PeerBehind", "Data for a client of another node, for which too much waited already. The client was closed, and may reconnect.", "Look at the load of that node, and at the network between the nodes."},
		{"NoMeaning", "A server of ASP.NET SignalR sent a message that ASP.NET SignalR does not have.", "Report it, with the name and version of the SDK."},
		{"Duplicate", "A server of ASP.NET SignalR refused a client, because it had the same client from a connection that was lost and had not ended it yet. The client is given to a server again.", "If it stays, the hub's methods take longer than five seconds."},
		{"Filter", "A message with a filter, which is not supported.", "Send to a group instead."},
	},
}
