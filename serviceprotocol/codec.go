package serviceprotocol

import (
	"math"

	"github.com/tinylib/msgp/msgp"
)

// codec walks over the elements of one message in their order on the wire, and writes what
// the fields hold or reads into them. So the order is told once, by the message's method
// fields, for both directions.
type codec struct {
	writing bool
	// The two are no pointers: through those a message could not be written without an
	// allocation.
	w writer
	r reader
}

// begin makes it write a message, as writer.begin says.
func (c *codec) begin(dst []byte, t Type, size int) {
	c.writing = true
	c.w.begin(dst, t, size)
}

// message reads a whole body.
func (c *codec) message(body []byte) (Message, error) {
	r := &c.r
	*r = reader{b: body, reuse: r.reuse}
	r.left = r.array("message", math.MaxUint32)
	if r.left == 0 {
		r.fail("message", ReasonTooFew)
	}
	elements := r.left
	t := Type(r.integer("type"))
	message := r.fresh(t, elements, body)
	if message != nil {
		message.fields(c)
		r.end()
	}
	if r.reason != "" {
		return nil, &Error{Type: t, Field: r.field, Reason: r.reason}
	}
	return message, nil
}

// Each method below is one element of the message. The name of the field is for errors.

// text is a string.
func (c *codec) text(field string, v *string) {
	if c.writing {
		c.w.elements++
		c.w.text(*v)
		return
	}
	*v = c.r.text(field)
}

// textOrNil is a text that is written as nil if it is empty.
func (c *codec) textOrNil(field string, v *string) {
	if c.writing {
		c.w.elements++
		c.w.textOrNil(*v)
		return
	}
	*v = c.r.text(field)
}

// name is a text that is likely to come again, and no secret.
func (c *codec) name(field string, v *string) {
	if c.writing {
		c.w.elements++
		c.w.text(*v)
		return
	}
	*v = c.r.name(field)
}

// nameOrNil is a name that is written as nil if it is empty.
func (c *codec) nameOrNil(field string, v *string) {
	if c.writing {
		c.w.elements++
		c.w.textOrNil(*v)
		return
	}
	*v = c.r.name(field)
}

// group is a group's name, or nil for all groups.
func (c *codec) group(name *string, all *bool) {
	if !c.writing {
		*name, *all = c.r.group()
		return
	}
	c.w.elements++
	if *all {
		c.w.b = msgp.AppendNil(c.w.b)
		return
	}
	c.w.text(*name)
}

func (c *codec) integer(field string, v *int32) {
	if c.writing {
		c.w.elements++
		c.w.b = appendInteger(c.w.b, *v)
		return
	}
	*v = c.r.integer(field)
}

// wide is an integer that is written in five bytes, whatever its value.
func (c *codec) wide(field string, v *int32) {
	if c.writing {
		c.w.elements++
		c.w.wide(*v)
		return
	}
	*v = c.r.integer(field)
}

// optionalFlag is only written if it is not nil, and nil if there is none.
func (c *codec) optionalFlag(field string, v **bool) {
	if c.writing {
		if *v != nil {
			c.w.elements++
			c.w.b = msgp.AppendBool(c.w.b, **v)
		}
		return
	}
	if *v = nil; c.r.left > 0 {
		said := c.r.boolean(field)
		*v = &said
	}
}

func (c *codec) binary(field string, v *[]byte) {
	if c.writing {
		c.w.elements++
		c.w.b = msgp.AppendBytes(c.w.b, *v)
		return
	}
	*v = c.r.binary(field)
}

// optionalBinary is only written if it is not nil.
func (c *codec) optionalBinary(field string, v *[]byte) {
	if !c.writing || *v != nil {
		c.binary(field, v)
	}
}

func (c *codec) names(field string, v *[]string) {
	if c.writing {
		c.w.elements++
		c.w.names(*v)
		return
	}
	*v = c.r.names(field)
}

func (c *codec) payloads(v *Payloads) {
	if c.writing {
		c.w.elements++
		c.w.payloads(*v)
		return
	}
	*v = c.r.payloads()
}

func (c *codec) claims(v *[]Claim) {
	if c.writing {
		c.w.elements++
		c.w.claims(*v)
		return
	}
	*v = c.r.claims()
}

func (c *codec) headers(v *[]Header) {
	if c.writing {
		c.w.elements++
		c.w.headers(*v)
		return
	}
	*v = c.r.headers()
}

// rest is all elements that follow the type, each of which is a text.
func (c *codec) rest(field string, v *[]string) {
	if !c.writing {
		*v = c.r.rest(field)
		return
	}
	c.w.rest(*v)
}
