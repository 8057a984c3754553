package hubprotocol

import (
	"math"
	"unicode/utf8"
)

// packReader reads the elements of a record one after the other. The first thing that
// is wrong is kept in text, and all that is read afterwards is empty.
type packReader struct {
	b    []byte
	i    int
	text string
}

func (r *packReader) fail(text string) {
	if r.text == "" {
		r.text = text
	}
	r.i = len(r.b)
}

func (r *packReader) array(name string) uint64 {
	kind, content, n := packToken(r.b, r.i)
	if kind != packArray {
		r.fail("Reading array length for '" + name + "' failed.")
		return 0
	}
	r.i = content
	return n
}

// str is a string element, or nil.
func (r *packReader) str(name string) []byte {
	kind, content, n := packToken(r.b, r.i)
	if kind == packNil {
		r.i = content
		return nil
	}
	if kind != packString {
		r.fail("Reading '" + name + "' as String failed.")
		return nil
	}
	r.i = content + int(n)
	return r.b[content:r.i:r.i]
}

// utf8 is str for text that will be shown or compared.
func (r *packReader) utf8(name string) []byte {
	s := r.str(name)
	if !utf8.Valid(s) {
		r.fail("Reading '" + name + "' as String failed.")
		return nil
	}
	return s
}

func (r *packReader) integer(name string) int64 {
	kind, content, n := packToken(r.b, r.i)
	if kind != packInt && kind != packUint {
		r.fail("Reading '" + name + "' as Int64 failed.")
		return 0
	}
	v := packInteger(r.b[r.i], r.b[content:content+int(n)])
	if kind == packUint && v < 0 {
		r.fail("Reading '" + name + "' as Int64 failed.")
		return 0
	}
	r.i = content + int(n)
	return v
}

func (r *packReader) int32(name string) int64 {
	v := r.integer(name)
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail("Reading '" + name + "' as Int32 failed.")
		return 0
	}
	return v
}

func (r *packReader) boolean(name string) bool {
	kind, content, _ := packToken(r.b, r.i)
	if kind != packFalse && kind != packTrue {
		r.fail("Reading '" + name + "' as Boolean failed.")
		return false
	}
	r.i = content
	return kind == packTrue
}

// value is any one value, inside of the record's array.
func (r *packReader) value(name string) []byte {
	start := r.i
	end := packSkip(r.b, start, 1)
	if end < 0 {
		r.fail("Reading '" + name + "' failed.")
		return nil
	}
	r.i = end
	return r.b[start:end:end]
}

// headers passes over a map of strings; nil stands for an empty one (C72).
func (r *packReader) headers() {
	kind, content, n := packToken(r.b, r.i)
	if kind == packNil {
		n = 0
	} else if kind != packMap {
		r.fail("Reading map length for 'headers' failed.")
		return
	}
	r.i = content
	for ; n > 0 && r.text == ""; n-- {
		if len(r.str("key in header")) == 0 || len(r.str("value in header")) == 0 {
			r.fail("Null or empty text in 'headers'.")
		}
	}
}

// rest passes over n further elements, of a future version, and the end of the record.
func (r *packReader) rest(n uint64) {
	for ; n > 0 && r.text == ""; n-- {
		r.value("element")
	}
	if r.text == "" && r.i != len(r.b) {
		r.fail("Bytes follow the end of the record.")
	}
}

func (r *packReader) binary(name string) []byte {
	kind, content, n := packToken(r.b, r.i)
	if kind != packBinary {
		r.fail("Reading '" + name + "' as Binary failed.")
		return nil
	}
	r.i = content + int(n)
	return r.b[content:r.i:r.i]
}
