package reasons

var commandDrops = List{
	Anchor: "command", Title: "A message did not get to another node", Type: "cluster.DropReason",
	Metric: "hubgate_cluster_commands_dropped_total", Clustered: true,
	Intro: "Only in a [cluster](cluster.md). One that is dropped concerned clients of that node; those of all others got it.",
	Reasons: []Reason{
		{"PeerBehind", "16 MiB waited for the node already. It is overloaded, or the network to it is slow. REST callers get 503, and a hub server is not read from for a while.", "Look at that node. Send less, or give its machine more to work with."},
		{"PeerLost", "The node ended or was not heard of for five seconds, before it had taken the message.", "Look for why the node ended, or at the network. Its clients reconnect to other nodes."},
	},
}

var byes = List{
	Anchor: "bye", Title: "A node has no session with another one", Type: "cluster.ByeReason", Clustered: true,
	Line: "no session with a node", Attribute: "reason",
	Intro: "Only in a [cluster](cluster.md). The line has the other node and why it was refused, or why it refused this one. Both try again.",
	Reasons: []Reason{
		{"Leaving", "The node ends in order.", Nothing},
		{"NameInUse", "Another node of the same name lives.", "Give each node a name of its own (`--node`)."},
		{"AnotherCluster", "The node belongs to another cluster, or has another secret.", "Give all nodes the same `cluster.secret`. With a NATS outside, give each cluster a prefix of its own (`nats.prefix`)."},
		{"Version", "There is no version of the protocol between nodes that both speak.", "Upgrade the older node."},
		{"Malformed", "What came from the node cannot be read.", "If it comes again: look at what stands between the nodes, and [report it](../SECURITY.md) with both versions."},
		{"TooLarge", "The node sent more at once than this one takes.", "Give all nodes the same version and the same limits."},
		{"UnknownFrame", "The node, of another version, said something that this one must not pass over.", "Give all nodes the same version."},
		{"Silent", "Nothing was heard of the node for five seconds.", "Look for why the node ended, or at the network. The session begins again when the node is heard."},
	},
}

var troubles = List{
	Anchor: "trouble", Title: "The engine that joins the nodes had trouble", Type: "natsd.Trouble",
	Metric: "hubgate_cluster_troubles_total", Clustered: true,
	Intro: "Only in a [cluster](cluster.md), and where a node has a data directory. The log has a line that begins with `engine:` and has the reason; what comes again and again is logged once a minute.",
	Reasons: []Reason{
		{"Server", "The NATS server in this process calls something an error.", "See the line in the log."},
		{"Warning", "The NATS server in this process warns of something.", "See the line in the log."},
		{"RouteRefused", "A connection between nodes was refused: the other end has another secret or authority, its certificate has ended, or it is no node.", "Give all nodes the same secret. Let nobody but nodes reach `cluster.listen`."},
		{"Unreachable", "No node answers where one was looked for.", "Nothing to do while nodes start and end. Else look at `cluster.peer`, and at firewalls between the nodes."},
		{"NameInUse", "Another node has the name of this one.", "Give each node a name of its own (`--node`)."},
		{"SlowConsumer", "A node, or this process, did not take what there was for it, and was cut off. What was lost is sent again.", "If it stays: the machine is overloaded, or its network is too slow."},
		{"Store", "The store stopped, or something of it cannot be read.", "Make room on the disk and start the node again. For damage see [cluster](cluster.md#when-something-fails)."},
		{"Disconnected", "This process lost its connection to NATS. It is made again by itself.", "With a NATS outside: see its log."},
		{"Permission", "The NATS server outside does not allow what the node needs.", "See [cluster](cluster.md#nats-outside) for what it needs."},
		{"Connection", "Another error of this process's connection to NATS.", "See the line in the log."},
		{"Lookup", "The name of another node could not be looked up. It stands for what it did before.", "Look at `cluster.peer`, and at the name server."},
	},
}

var storeEvents = List{
	Anchor: "store", Title: "Something about the store of users' memberships", Type: "store/jetstore.Event",
	Metric: "hubgate_store_events_total", Clustered: true,
	Intro: "Only in a [cluster](cluster.md), and where a node has a data directory.",
	Reasons: []Reason{
		{"Conflict", "Two changes of one user met. The later one was tried again, and is right.", Nothing},
		{"StaleRead", "The voter that leads did not answer when a client connected. Its groups came from another voter, and may lack the last changes.", "Nothing to do while voters start and end. Else see `hubgate cluster status`."},
		{"OwnWrite", "The answer to a change was lost, and the change was found to be carried out.", Nothing},
		{"Unavailable", "A change or a question failed because no majority of voters answered. REST callers got 503.", "See `hubgate cluster status`: start the voters that are missing."},
		{"Full", "A membership was refused because the store is full.", "Raise `data.maxBytes`, or remove memberships."},
		{"Damaged", "What is stored of a user cannot be read.", "Remove the user from all groups by REST, which clears it, and add the memberships again."},
	},
}
