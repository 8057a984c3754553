package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/hubgate/hubgate/internal/fields"
)

// errMalformed says that bytes of another node are not what they should be.
var errMalformed = errors.New("cluster: malformed bytes of another node")

func appendText[T ~string | ~[]byte](dst []byte, s T) []byte { return fields.AppendText(dst, s) }

// wireReader reads the fields of packets and frames.
type wireReader struct{ fields.Reader }

func newReader(b []byte) *wireReader { return &wireReader{fields.Reader{Rest: b}} }

// inc reads an incarnation; none, the zero Inc, is allowed.
func (r *wireReader) inc() Inc {
	i := Inc{Tag: r.Text(maxTag), Random: r.Fixed()}
	if i != (Inc{}) && !validTag(i.Tag) {
		r.Failed = true
	}
	return i
}

func appendInc(dst []byte, i Inc) []byte {
	return binary.BigEndian.AppendUint64(appendText(dst, i.Tag), i.Random)
}

// end returns an error if a field was malformed or if bytes are left.
func (r *wireReader) end() error {
	if !r.Whole() {
		return errMalformed
	}
	return nil
}
