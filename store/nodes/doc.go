// Package nodes knows which nodes of a cluster are alive, for what must happen once when one of them
// dies. (Who is sent messages is none of its business.)
//
// Each node has a record in a bucket of JetStream and renews it every 3 s, by a write that says which
// revision it has seen. If a record has not changed for 20 s, another node claims it: by such a write
// on the same record, so that either the renewal succeeds or the claim, never both. A node that has
// not renewed its record for 12 s is fenced: it does nothing that must happen only once. The 8 s
// between are for the clocks, and for voters that choose a leader.
//
// Who claims a node takes over what that one had to do, and says then that its clients have ended. If it dies
// amid it, what there is to do is in two places. So one node claims both, and takes over both before it says
// anything of their clients.
package nodes
