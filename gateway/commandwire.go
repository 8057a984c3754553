package gateway

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/fields"
	"github.com/hubgate/hubgate/internal/filter"
)

// commandVersion is the first byte of every Command and Result between nodes. A form that older
// nodes cannot read has another one.
const commandVersion = 1

// errWire says that bytes from another node are no Command or Result of this version.
var errWire = errors.New("malformed command of another node")

// Flags of a Command's wire form.
const (
	wireReconnect = 1 << iota
	wireTold
	wireByUser
	wireUntil
	wireFrames
	wireTraced
	wireFiltered
	wireFlags // the first that is none
)

// AppendCommand writes a Command for another node. A membership's end is written as the time that
// remains, so that the clocks of two nodes need not agree. ParseCommand reads it.
func AppendCommand(dst []byte, cmd *Command) []byte {
	dst = appendCommand(dst, cmd)
	if cmd.Frames != nil {
		dst = cmd.Frames.Append(dst)
	}
	return dst
}

// AppendCommandShared is AppendCommand in two parts, which follow one another. The second is a part of
// cmd.Frames that is not copied and must not be changed; nil without Frames.
func AppendCommandShared(dst []byte, cmd *Command) (head, tail []byte) {
	dst = appendCommand(dst, cmd)
	if cmd.Frames == nil {
		return dst, nil
	}
	return cmd.Frames.AppendShared(dst)
}

// appendCommand is AppendCommand without the message.
func appendCommand(dst []byte, cmd *Command) []byte {
	flags := byte(0)
	set := func(on bool, flag byte) {
		if on {
			flags |= flag
		}
	}
	set(cmd.Cause.AllowReconnect, wireReconnect)
	set(cmd.Cause.Told, wireTold)
	set(cmd.Membership.ByUser, wireByUser)
	set(!cmd.Membership.Until.IsZero(), wireUntil)
	set(cmd.Frames != nil, wireFrames)
	set(cmd.Trace != "", wireTraced)
	set(cmd.Target.Filter != nil, wireFiltered)
	dst = append(dst, commandVersion, byte(cmd.Verb), byte(cmd.Target.Kind), flags)
	for _, s := range []string{cmd.Hub, cmd.Group, string(cmd.Cause.Reason), cmd.Cause.Text, cmd.afterOrSpan()} {
		dst = appendString(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(min(max(cmd.Page.Max, 0), MaxPage)))
	for _, list := range [][]string{cmd.Target.IDs, cmd.Target.Except, cmd.Target.ExceptUsers} {
		dst = binary.AppendUvarint(dst, uint64(len(list)))
		for _, s := range list {
			dst = appendString(dst, s)
		}
	}
	if flags&wireUntil != 0 {
		// At least a nanosecond: what has ended meanwhile is ended there, not without an end.
		dst = binary.AppendUvarint(dst, uint64(max(time.Until(cmd.Membership.Until), 1)))
	}
	if flags&wireTraced != 0 {
		dst = appendString(dst, cmd.Trace)
	}
	if flags&wireFiltered != 0 {
		dst = appendString(dst, cmd.Target.Filter.String())
	}
	if cmd.Verb == VerbInvoke {
		dst = appendString(dst, cmd.Invocation)
	}
	return dst
}

// afterOrSpan is a text that means one thing in lists and another in all else, where nodes of before there were
// spans read it and do not look at it.
func (cmd *Command) afterOrSpan() string {
	if cmd.Verb == VerbList {
		return cmd.Page.After
	}
	return cmd.Span
}

// ParseCommand reads what AppendCommand wrote, all of data. The message of a send is part of data,
// which must not be changed afterwards. What it allocates is at most some twenty times the length of data.
func ParseCommand(data []byte) (*Command, error) {
	if len(data) < 4 || data[0] != commandVersion {
		return nil, errWire
	}
	var parsed struct { // one allocation for what most commands are made of
		Command
		frames hubprotocol.Frames
		name   [1]string
	}
	cmd := &parsed.Command
	cmd.Verb, cmd.Target.Kind = Verb(data[1]), TargetKind(data[2])
	flags := data[3]
	r := *newReader(data[4:])
	cmd.Hub, cmd.Group = r.string(), r.string()
	cmd.Cause = Cause{Reason: CloseReason(r.string()), Text: r.string(),
		AllowReconnect: flags&wireReconnect != 0, Told: flags&wireTold != 0}
	if after := r.string(); cmd.Verb == VerbList {
		cmd.Page.After = after
	} else {
		cmd.Span = after
	}
	cmd.Page.Max = int(r.Uvarint(MaxPage))
	cmd.Target.IDs = r.strings(parsed.name[:0])
	cmd.Target.Except, cmd.Target.ExceptUsers = r.strings(nil), r.strings(nil)
	cmd.Membership.ByUser = flags&wireByUser != 0
	if flags&wireUntil != 0 {
		cmd.Membership.Until = time.Now().Add(time.Duration(r.Uvarint(1<<63 - 1)))
	}
	if flags&wireTraced != 0 {
		cmd.Trace = r.string()
	}
	if flags&wireFiltered != 0 {
		cmd.Target.Filter = r.filter()
	}
	if cmd.Verb == VerbInvoke {
		cmd.Invocation = r.string()
	}
	if r.Failed || flags >= wireFlags || !cmd.valid(flags&wireFrames != 0) {
		return nil, errWire
	}
	if flags&wireFrames != 0 {
		if err := parsed.frames.Parse(r.Rest); err != nil {
			return nil, err
		}
		cmd.Frames = &parsed.frames
	} else if len(r.Rest) > 0 {
		return nil, errWire
	}
	return cmd, nil
}

// valid reports whether the parts of a command from another node are such as this node makes.
func (cmd *Command) valid(frames bool) bool {
	return cmd.Verb >= VerbSend && cmd.Verb <= VerbRefresh &&
		cmd.Target.Kind >= TargetAll && cmd.Target.Kind <= TargetGroups &&
		(cmd.Verb == VerbSend || cmd.Verb == VerbInvoke) == frames &&
		(cmd.Verb == VerbInvoke) == (cmd.Invocation != "") &&
		(cmd.Cause.Reason == "" || slices.Contains(closeReasonList, cmd.Cause.Reason))
}

// Outcomes of a Result's wire form.
const (
	wireOK = iota
	wireTooManyGroups
	wireFailed // with a text
)

// AppendResult writes what a Command came to on one node, for the node that asked. ParseResult
// reads it.
func AppendResult(dst []byte, r Result, err error) []byte {
	dst = append(dst, commandVersion)
	switch {
	case err == nil:
		dst = append(dst, wireOK)
	case errors.Is(err, ErrTooManyGroups):
		dst = append(dst, wireTooManyGroups)
	default:
		dst = appendString(append(dst, wireFailed), err.Error())
	}
	dst = binary.AppendUvarint(dst, uint64(r.Matched))
	members := r.Members[:min(len(r.Members), MaxPage)]
	dst = binary.AppendUvarint(dst, uint64(len(members)))
	for _, m := range members {
		dst = appendString(appendString(dst, m.ID), m.User)
	}
	if r.Receipt.Nodes > 0 { // only nodes that know of receipts ask for them
		for _, n := range r.Receipt.numbers() {
			dst = binary.AppendUvarint(dst, uint64(*n))
		}
	}
	return dst
}

// ParseResult reads what AppendResult wrote, all of data. The error is that of the other node, or
// says that data is malformed.
func ParseResult(data []byte) (r Result, err error) {
	if len(data) < 2 || data[0] != commandVersion {
		return Result{}, errWire
	}
	in := *newReader(data[2:])
	switch data[1] {
	case wireOK:
	case wireTooManyGroups:
		err = ErrTooManyGroups
	case wireFailed:
		err = errors.New(in.string())
	default:
		return Result{}, errWire
	}
	r.Matched = int(in.Uvarint(1<<31 - 1))
	count := in.Count(MaxPage, 2)
	if count > 0 {
		r.Members = make([]Member, 0, count)
	}
	for range count {
		r.Members = append(r.Members, Member{ID: in.string(), User: in.string()})
	}
	if len(in.Rest) > 0 {
		for _, n := range r.Receipt.numbers() {
			*n = int(in.Uvarint(1<<31 - 1))
		}
		in.Failed = in.Failed || r.Receipt.Nodes == 0
	}
	if in.Failed || len(in.Rest) > 0 {
		return Result{}, errWire
	}
	return r, err
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// wireReader reads the parts of a wire form. What has a length has no other bound than what there is.
type wireReader struct{ fields.Reader }

func newReader(b []byte) *wireReader { return &wireReader{fields.Reader{Rest: b}} }

func (r *wireReader) string() string { return r.Text(len(r.Rest)) }

// bytes returns a part of what is read.
func (r *wireReader) bytes() []byte { return r.Bytes(len(r.Rest)) }

func (r *wireReader) filter() *filter.Filter {
	f, err := filter.Parse(r.string())
	r.Failed = r.Failed || err != nil
	return f
}

// strings reads a list, into room if that is enough.
func (r *wireReader) strings(room []string) []string {
	count := r.Count(1<<31-1, 1)
	if count == 0 {
		return nil
	}
	list := room
	if count > cap(room) {
		list = make([]string, 0, count)
	}
	for range count {
		list = append(list, r.string())
	}
	return list
}
