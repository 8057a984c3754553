// Package outbox keeps what is still to be delivered, so that it is delivered although a node dies. What a
// delivery is, and who delivers it, is known to others: here it is bytes with a number.
//
// Each node has a log of its own in one stream of JetStream: what was put, and what of it is done. One
// goroutine writes it, in batches, each by compare-and-set on the last one (writer.go). All that is not done
// is in memory besides, so that nobody has to read while all goes well. What was done is removed from the
// front of the log; what stays for long is written again behind the rest (shorten.go).
//
// When a node dies, the node that has its lease (package store/nodes) closes its log, which shuts out a
// writer that lives after all, and puts what is not done into its own log (bury.go).
//
// What cannot be delivered goes to the dead letters, another stream, which forgets the oldest (dead.go). The records
// of large ones are in a third one, in parts.
package outbox
