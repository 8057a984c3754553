// Package cluster makes several gateways one: it is the Backplane of a gateway whose other nodes
// are other processes.
//
// A node has a link with every other node. Links carry commands and their answers, in order and
// exactly once while both nodes live and hear each other within five seconds. What carries the
// packets of links is a Carrier, which may lose what it likes: every link numbers what it sends,
// keeps it until it is acknowledged, and counts what it had to give up.
//
// A node tells its peers for which names (hubs, groups, users, connections) it has receivers, as a
// filter of one bit for each name. A command goes only to the nodes whose filter has one of its
// names.
package cluster
