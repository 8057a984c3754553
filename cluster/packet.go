package cluster

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// A packet is what a Carrier takes to another node: a byte for its layout, a byte for its kind, and
// the fields of that kind. Numbers are varints unless something else is said.
//
//	Hello   what nodes say of themselves before a session, and to everybody; see hello
//	Bye     both sessions, why
//	Ping    stamp, time of the sender, last unit sent, digest of the members
//	Pong    stamp, the time of the Ping, digest of the members
//	Credit  stamp, flags
//	Data    stamp, number of the first unit; units: type, length, bytes
const packetLayout = 1

type packetKind byte

const (
	packetHello packetKind = iota + 1
	packetBye
	packetPing
	packetPong
	packetCredit
	packetData
)

// packetRoom is more than a packet of any kind has beside the units of Data, but for Hello.
const packetRoom = 80

// stamp is in every packet of a session.
type stamp struct {
	// mine is the session of the sender, yours the one of the receiver that it answers.
	mine, yours uint64
	// received is the last unit that was taken in order, and filter the number of the last Filter
	// frame that is in force.
	received, filter uint64
}

func appendPacket(dst []byte, kind packetKind) []byte { return append(dst, packetLayout, byte(kind)) }

func (s *stamp) append(dst []byte) []byte {
	for _, n := range []uint64{s.mine, s.yours, s.received, s.filter} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func (s *stamp) read(r *wireReader) {
	for _, n := range []*uint64{&s.mine, &s.yours, &s.received, &s.filter} {
		*n = r.Number()
	}
}

// cutPacket returns the kind of a packet and its fields.
func cutPacket(packet []byte) (packetKind, wireReader, error) {
	if len(packet) < 2 || packet[0] != packetLayout {
		return 0, wireReader{}, errMalformed
	}
	return packetKind(packet[1]), *newReader(packet[2:]), nil
}

// ping asks for a Pong, and says what has been sent so far: what is missing then is lost.
type ping struct {
	stamp
	time   uint64
	sent   uint64
	digest uint64
}

func (p *ping) append(dst []byte) []byte {
	dst = p.stamp.append(appendPacket(dst, packetPing))
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, p.time), p.sent)
	return binary.BigEndian.AppendUint64(dst, p.digest)
}

func (p *ping) read(r *wireReader) error {
	p.stamp.read(r)
	p.time, p.sent, p.digest = r.Number(), r.Number(), r.Fixed()
	return r.end()
}

type pong struct {
	stamp
	time   uint64
	digest uint64
}

func (p *pong) append(dst []byte) []byte {
	dst = p.stamp.append(appendPacket(dst, packetPong))
	return binary.BigEndian.AppendUint64(binary.AppendUvarint(dst, p.time), p.digest)
}

func (p *pong) read(r *wireReader) error {
	p.stamp.read(r)
	p.time, p.digest = r.Number(), r.Fixed()
	return r.end()
}

// credit acknowledges. Again says that units behind received are missing: they are to be sent again.
type credit struct {
	stamp
	again bool
}

func (c *credit) append(dst []byte) []byte {
	dst = c.stamp.append(appendPacket(dst, packetCredit))
	if c.again {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (c *credit) read(r *wireReader) error {
	c.stamp.read(r)
	flags := r.Byte()
	c.again = flags == 1
	if flags > 1 {
		r.Failed = true
	}
	return r.end()
}

// data is the head of a Data packet. The units follow it.
type data struct {
	stamp
	first uint64
}

func (d *data) append(dst []byte) []byte {
	return binary.AppendUvarint(d.stamp.append(appendPacket(dst, packetData)), d.first)
}

func (d *data) read(r *wireReader) {
	d.stamp.read(r)
	d.first = r.Number()
}

// bye ends a session. Without sessions it refuses a node.
type bye struct {
	mine, yours uint64
	why         ByeReason
}

func (b *bye) append(dst []byte) []byte {
	dst = appendPacket(dst, packetBye)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, b.mine), b.yours)
	return appendText(dst, b.why)
}

func (b *bye) read(r *wireReader) error {
	b.mine, b.yours = r.Number(), r.Number()
	b.why = ByeReason(r.Text(maxName))
	return r.end()
}

// maxName bounds names on the wire that are no names of clients.
const maxName = 64

// versions are the versions of the protocol that a node speaks, both inclusive. Hello and Bye are
// the same in all of them.
type versions struct{ min, max uint64 }

// ourVersions is what this program speaks. A version differs from the one before in frames that
// have to be understood; a frame that may be ignored needs none, see frameIgnorable.
// No version of the protocol was ever released: until then its frames change without another version.
var ourVersions = versions{1, 1}

// agreed returns the version that two nodes speak with each other, 0 if there is none.
func (v versions) agreed(other versions) uint64 {
	highest := min(v.max, other.max)
	if highest < v.min || highest < other.min {
		return 0
	}
	return highest
}

// hello introduces a node to another one, or, with to and both sessions zero, to everybody. What
// later versions say beyond it is ignored.
type hello struct {
	versions
	cluster     string
	from, to    Inc
	mine, yours uint64
	flags       helloFlags
	// past is what came from the other one in the session before: what it sent and did not hear
	// about is settled by that.
	past past
	about
}

type helloFlags byte

const (
	// helloOpen: the sender has heard that its session is known, and needs no answer.
	helloOpen helloFlags = 1 << iota
	// helloDraining: the node is going to leave.
	helloDraining
)

// past says how many commands came in a session of another node.
type past struct{ session, commands uint64 }

// about is what does not change while a node lives, but for its age.
type about struct {
	age time.Duration // since its start, in milliseconds on the wire
	// frame is the largest frame that it takes, in bytes.
	frame uint64
	// filterKey names the key of its filter's hashes.
	filterKey uint64
	software  string
}

// A Hello ends with a proof for each secret that its sender has, and their number in a byte: while
// the nodes of a cluster change from one secret to another, some know only one of the two.
const (
	// proofSize is how much of the HMAC of a Hello is on the wire.
	proofSize = 16
	maxProofs = 2
)

// append writes a Hello. The keys are the cluster's, see keys.
func (h *hello) append(dst []byte, keys ...[]byte) []byte {
	start := len(dst)
	dst = appendPacket(dst, packetHello)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, h.min), h.max)
	dst = appendInc(appendInc(appendText(dst, h.cluster), h.from), h.to)
	for _, n := range []uint64{h.mine, h.yours, uint64(h.flags), h.past.session, h.past.commands, uint64(h.age / time.Millisecond), h.frame} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = appendText(binary.BigEndian.AppendUint64(dst, h.filterKey), h.software)
	return appendProofs(dst, dst[start:], keys)
}

func appendProofs(dst, body []byte, keys [][]byte) []byte {
	for _, key := range keys {
		dst = append(dst, proof(key, body)...)
	}
	return append(dst, byte(len(keys)))
}

func proof(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return mac.Sum(nil)[:proofSize]
}

// cutProofs returns what the proofs at the end of a Hello are of, and whether one of them is by one
// of the keys.
func cutProofs(packet []byte, keys [][]byte) (body []byte, proven bool, err error) {
	last := len(packet) - 1
	count := int(packet[last])
	if count < 1 || count > maxProofs || last < count*proofSize {
		return nil, false, errMalformed
	}
	body = packet[:last-count*proofSize]
	for given := packet[len(body):last]; len(given) > 0; given = given[proofSize:] {
		for _, key := range keys {
			proven = proven || hmac.Equal(proof(key, body), given[:proofSize])
		}
	}
	return body, proven, nil
}

// parseHello reads a whole Hello packet. Proven says that its sender has one of the keys.
func parseHello(packet []byte, keys [][]byte) (h hello, proven bool, err error) {
	kind, _, err := cutPacket(packet)
	if err != nil || kind != packetHello {
		return hello{}, false, errMalformed
	}
	body, proven, err := cutProofs(packet, keys)
	if err != nil || len(body) < 2 {
		return hello{}, false, errMalformed
	}
	r := *newReader(body[2:])
	h.min, h.max = r.Number(), r.Number()
	h.cluster = r.Text(maxName)
	h.from, h.to = r.inc(), r.inc()
	h.mine, h.yours, h.flags = r.Number(), r.Number(), helloFlags(r.Number())
	h.past = past{r.Number(), r.Number()}
	h.age = time.Duration(r.Uvarint(1<<40)) * time.Millisecond
	h.frame, h.filterKey, h.software = r.Number(), r.Fixed(), r.Text(maxName)
	if r.Failed || h.from == (Inc{}) || h.min > h.max {
		return hello{}, false, errMalformed
	}
	return h, proven, nil
}
