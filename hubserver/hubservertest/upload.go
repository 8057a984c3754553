package hubservertest

import (
	"context"
	"fmt"
	"iter"
	"reflect"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
)

// upload is an argument that is a stream to the hub.
type upload struct {
	id    string
	items iter.Seq2[any, error]
	// pump is nil if items are to be ranged over; otherwise it is a channel.
	pump reflect.Value
}

var errorType = reflect.TypeFor[error]()

// uploads takes the streams out of the arguments.
func (c *Client) uploads(arguments []any) (plain []any, uploads []upload, err error) {
	for _, argument := range arguments {
		v := reflect.ValueOf(argument)
		switch {
		case !v.IsValid() || v.Kind() != reflect.Chan && v.Kind() != reflect.Func:
			plain = append(plain, argument)
		case v.Kind() == reflect.Chan && v.Type().ChanDir()&reflect.RecvDir != 0:
			uploads = append(uploads, upload{id: c.newID(), pump: v})
		case v.Kind() == reflect.Func && v.Type().CanSeq2() && v.Type().In(0).In(1) == errorType:
			uploads = append(uploads, upload{id: c.newID(), items: sequence(v)})
		default:
			return nil, nil, fmt.Errorf("argument of type %s is neither a value nor a stream", v.Type())
		}
	}
	return plain, uploads, nil
}

func sequence(v reflect.Value) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for item, failure := range v.Seq2() {
			err, _ := failure.Interface().(error)
			if !yield(item.Interface(), err) {
				return
			}
		}
	}
}

func streamIDs(uploads []upload) (ids []string) {
	for _, one := range uploads {
		ids = append(ids, one.id)
	}
	return ids
}

// upload sends a stream until it ends, the call has ended or the connection.
func (c *Client) upload(one upload, called <-chan struct{}) {
	items := one.items
	if items == nil {
		items = c.channel(one.pump, called)
	}
	for item, err := range items {
		select {
		case <-called:
			return
		case <-c.done:
			return
		default:
		}
		if err == nil {
			var record []byte
			if record, err = values.AppendStreamItem(nil, c.protocol, one.id, item); err == nil {
				if c.write(context.Background(), record) != nil {
					return // the reader tells why
				}
				continue
			}
		}
		_ = c.write(context.Background(), hubprotocol.AppendCompletionError(nil, c.protocol, one.id, err.Error()))
		return
	}
	select {
	case <-called:
	default:
		_ = c.write(context.Background(), hubprotocol.AppendCompletion(nil, c.protocol, one.id))
	}
}

// channel is what comes out of a channel until the call or the connection ends.
func (c *Client) channel(v reflect.Value, called <-chan struct{}) iter.Seq2[any, error] {
	cases := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: v},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(called)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.done)},
	}
	return func(yield func(any, error) bool) {
		for {
			chosen, item, ok := reflect.Select(cases)
			if chosen != 0 || !ok || !yield(item.Interface(), nil) {
				return
			}
		}
	}
}
