package restapi

import (
	"bytes"
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// A stream is an answer in pieces to a client's request for it. Its id is the one of the request. The
// gateway keeps no list of streams: a client ignores pieces of a stream that it has not asked for.

// SendStreamItem sends one item, and the end of the stream if that is asked for (R43).
func (s *server) SendStreamItem(ctx context.Context, r SendStreamItemRequestObject) (SendStreamItemResponseObject, error) {
	to := at(r.Hub, r.Params.Application).connection(r.Connection).stream(r.Stream)
	if to.err != nil {
		return nil, to.err
	}
	frames, err := readBody(r.ContentType, r.Body, func(media string, content []byte) (*hubprotocol.Frames, error) {
		return parseItem(media, content, r.Stream, r.Params.Completed)
	})
	if err != nil {
		return nil, err
	}
	return SendStreamItem202Response{}, s.sendFrames(ctx, to, frames)
}

// CompleteStream ends a stream. The error has two names: newer SDKs do not use that of the contract.
func (s *server) CompleteStream(ctx context.Context, r CompleteStreamRequestObject) (CompleteStreamResponseObject, error) {
	to := at(r.Hub, r.Params.Application).connection(r.Connection).stream(r.Stream)
	if to.err != nil {
		return nil, to.err
	}
	return CompleteStream202Response{}, s.sendFrames(ctx, to, hubprotocol.NewCompletion(r.Stream, cmp.Or(r.Params.Error, r.Params.Reason)))
}

// maxStream is the longest id of a stream, in characters.
const maxStream = 100

// stream checks the id of a stream.
func (a address) stream(id string) address {
	if a.err == nil && (!utf8.ValidString(id) || longerThan(id, maxStream) || strings.IndexFunc(id, isInk) < 0) {
		a.err = invalid(ErrorDetailTargetRequest, "The stream id is blank, longer than 100 characters, or not valid.")
	}
	return a
}

func parseItem(media string, content []byte, stream string, last bool) (*hubprotocol.Frames, error) {
	switch media {
	case octetType:
		payloads, err := hubprotocol.ParseOctetStreamBody(bytes.Clone(content))
		switch {
		case err != nil:
			return nil, err
		case last:
			return hubprotocol.Completed(payloads, stream)
		}
		return hubprotocol.NewFrames(payloads)
	case msgpackType:
		return hubprotocol.NewStreamItem(hubprotocol.MessagePack, stream, content, last)
	}
	return hubprotocol.NewStreamItem(hubprotocol.JSON, stream, content, last)
}

// sendFrames hands a message over. That nobody is there to get it is no error (R25).
func (s *server) sendFrames(ctx context.Context, to address, frames *hubprotocol.Frames) error {
	if err := s.count(ctx, to); err != nil {
		return err
	}
	cmd := s.sending(ctx, to, frames)
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.wants.prefer.receipt {
		if heeded, err := s.sendWithReceipt(ctx, c, cmd); heeded || err != nil {
			return err
		}
	}
	_, err := s.Hubs.Do(ctx, cmd)
	return err
}

// sending is the command that sends frames.
func (s *server) sending(ctx context.Context, to address, frames *hubprotocol.Frames) *gateway.Command {
	cmd := &gateway.Command{Hub: to.hub, Verb: gateway.VerbSend, Target: to.target, Frames: frames, By: gateway.SenderREST}
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.sign(cmd)
	}
	return cmd
}
