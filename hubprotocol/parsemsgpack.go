package hubprotocol

// Kinds of a Completion, the element behind its id.
const (
	completionError  = 1
	completionVoid   = 2
	completionResult = 3
)

// parsePacked fills m and returns what is wrong with the record, or nothing.
func (m *Message) parsePacked(body []byte) string {
	r := packReader{b: body}
	count := r.array("record")
	if count == 0 {
		r.fail("Reading 'messageType' as Int32 failed.")
		return r.text
	}
	m.Type = recordType(r.int32("messageType"))
	read := uint64(1)
	switch m.Type {
	case Invocation, StreamInvocation:
		read = m.packedInvocation(&r, count)
	case StreamItem:
		m.packedID(&r)
		m.Result = r.value("item")
		read = 4
	case Completion:
		read = m.packedCompletion(&r)
	case CancelInvocation:
		m.packedID(&r)
		read = 3
	case Close:
		read = m.packedClose(&r, count)
	case Ack, Sequence:
		n := r.integer("sequenceId")
		if n < 0 {
			r.fail("Reading 'sequenceId' as Int64 failed.")
		}
		m.SequenceID = uint64(n)
		read = 2
	}
	if count < read {
		r.fail("Elements are missing in the record.")
		return r.text
	}
	r.rest(count - read)
	return r.text
}

// packedID reads headers and the id that the record's type requires.
func (m *Message) packedID(r *packReader) {
	r.headers()
	m.InvocationID = string(r.utf8("invocationId"))
	m.HasID = m.InvocationID != ""
	if !m.HasID && m.Type != Invocation {
		r.fail("Null or empty invocation ID.")
	}
}

func (m *Message) packedInvocation(r *packReader, count uint64) (read uint64) {
	m.packedID(r)
	m.Target = string(r.utf8("target"))
	if m.Target == "" {
		r.fail("Null or empty target.")
	}
	if kind, _, _ := packToken(r.b, r.i); kind != packArray {
		r.fail("Reading array length for 'arguments' failed.")
	}
	m.Arguments = r.value("arguments")
	if count <= 5 {
		return 5
	}
	for n := r.array("streamIds"); n > 0 && r.text == ""; n-- {
		id := string(r.utf8("streamIds"))
		if id == "" {
			r.fail("Null or empty value in streamIds.")
		}
		m.StreamIDs = append(m.StreamIDs, id)
	}
	return 6
}

func (m *Message) packedCompletion(r *packReader) (read uint64) {
	m.packedID(r)
	switch r.int32("resultKind") {
	case completionError:
		e := r.utf8("error")
		m.Error, m.HasError = string(e), e != nil
		return 5
	case completionResult:
		m.Result = r.value("result")
		return 5
	case completionVoid:
		return 4
	}
	r.fail("Invalid invocation result kind.")
	return 4
}

func (m *Message) packedClose(r *packReader, count uint64) (read uint64) {
	e := r.utf8("error")
	m.Error, m.HasError = string(e), e != nil
	if count <= 2 {
		return 2
	}
	m.AllowReconnect = r.boolean("allowReconnect")
	return 3
}
