package limits

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
)

// saidKind says what the numbers are that one node tells another one.
type saidKind byte

const (
	// saidClients: so many clients there are, by what they have in common (By.key).
	saidClients saidKind = iota + 1
	// saidBytes: so many bytes more were said, by rule (rule.key).
	saidBytes
)

const (
	// maxKey bounds a value, in bytes: of longer ones the hash is compared.
	maxKey = 64
	// maxValues bounds the values in one message.
	maxValues = 1 << 10
	// maxNumber bounds each number.
	maxNumber = 1 << 50
)

// keyOf is a value as it is compared and told.
func keyOf(value string) string {
	if len(value) <= maxKey {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:])
}

// key names what clients have in common for other nodes.
func (b By) key() string { return keyOf(strings.ToLower(b.String())) }

// key names the rule for other nodes: they may have had others at the same place a moment ago.
func (r *rule) key() string { return keyOf(r.Name + " by " + strings.ToLower(r.By.String())) }

var errNumbers = errors.New("limits: malformed numbers of another node")

// toldNumbers is one message: its kind, what is counted, and a number for each value.
type toldNumbers struct {
	kind   saidKind
	about  string
	values map[string]int
}

// sendNumbers sends as many messages as it takes.
func sendNumbers(p gateway.Peer, kind saidKind, all numbers) {
	for about, values := range all {
		part := toldNumbers{kind, about, make(map[string]int, min(len(values), maxValues))}
		for value, n := range values {
			if part.values[value] = n; len(part.values) == maxValues {
				p.Send(part.append(nil))
				clear(part.values)
			}
		}
		if len(part.values) > 0 {
			p.Send(part.append(nil))
		}
	}
}

func (n *toldNumbers) append(dst []byte) []byte {
	dst = fields.AppendText(append(dst, byte(n.kind)), n.about)
	dst = binary.AppendUvarint(dst, uint64(len(n.values)))
	for value, count := range n.values {
		dst = binary.AppendUvarint(fields.AppendText(dst, value), uint64(max(0, count)))
	}
	return dst
}

// parseNumbers reads what append wrote. Of a kind that is not known nothing is read.
func parseNumbers(b []byte) (n toldNumbers, err error) {
	r := fields.Reader{Rest: b}
	if n.kind = saidKind(r.Byte()); !r.Failed && n.kind != saidClients && n.kind != saidBytes {
		return n, nil
	}
	n.about = r.Text(maxKey)
	count := r.Count(maxValues, 2)
	n.values = make(map[string]int, count)
	for range count {
		value := r.Text(maxKey)
		n.values[value] = int(r.Uvarint(maxNumber))
	}
	if !r.Whole() {
		return toldNumbers{}, errNumbers
	}
	return n, nil
}
