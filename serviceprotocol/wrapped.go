package serviceprotocol

// Hub servers of ASP.NET SignalR wrap what they send to clients: the payload is a ConnectionData
// message itself, with its length prefix and without a connection id, around the text for the client.

// Unwrap returns the text inside a wrapped payload. It aliases the payload, and nothing is allocated.
// Exactly one ConnectionData message has to fill the payload; its connection id does not matter. The
// error matches ErrMalformed.
func Unwrap(payload []byte) (text []byte, err error) {
	body, rest, err := Cut(payload, len(payload))
	switch {
	case err != nil, body == nil: // the prefix is not valid, or says more than there is
		return nil, &Error{Type: TypeConnectionData, Field: "wrapped payload", Reason: ReasonTruncated}
	case len(rest) > 0:
		return nil, &Error{Type: TypeConnectionData, Field: "wrapped payload", Reason: ReasonTrailing}
	}
	r := reader{b: body}
	r.left = r.array("wrapped message", maxShort)
	if least := catalogue[TypeConnectionData].least; r.left < least {
		r.fail("wrapped message", ReasonTooFew)
	}
	t := Type(r.integer("type"))
	if r.reason == "" && t != TypeConnectionData {
		r.fail("type", ReasonWrongType)
	}
	if r.next() {
		r.value("connection id")
	}
	text = r.binary("payload")
	r.end()
	if r.reason != "" {
		return nil, &Error{Type: t, Field: r.field, Reason: r.reason}
	}
	return text, nil
}

// AppendWrapped appends the payload that wraps a text.
func AppendWrapped(dst, text []byte) []byte {
	return (&ConnectionData{Payload: text}).Append(dst)
}
