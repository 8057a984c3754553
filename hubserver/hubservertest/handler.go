package hubservertest

import (
	"errors"
	"fmt"
	"reflect"
)

// handler is a function for messages.
type handler struct {
	function reflect.Value
	hasValue bool
	hasError bool
}

// unfitError says that the arguments of a message are not those of its handler.
type unfitError struct{ err error }

func (e *unfitError) Error() string { return "handler does not fit: " + e.err.Error() }

func (e *unfitError) Unwrap() error { return e.err }

func newHandler(function any) (*handler, error) {
	v := reflect.ValueOf(function)
	if v.Kind() != reflect.Func || v.IsNil() {
		return nil, fmt.Errorf("is %T, not a function", function)
	}
	t := v.Type()
	h := &handler{function: v}
	results := t.NumOut()
	if results > 0 && t.Out(results-1) == errorType {
		h.hasError = true
		results--
	}
	h.hasValue = results == 1
	if results > 1 || t.IsVariadic() {
		return nil, errors.New("has the type " + t.String())
	}
	return h, nil
}

// call calls the function with the arguments of a message.
func (h *handler) call(m Message) (result any, err error) {
	t := h.function.Type()
	in, targets := make([]reflect.Value, t.NumIn()), make([]any, t.NumIn())
	for i := range in {
		pointer := reflect.New(t.In(i))
		in[i], targets[i] = pointer.Elem(), pointer.Interface()
	}
	if err := m.Scan(targets...); err != nil {
		return nil, &unfitError{err}
	}
	out := h.function.Call(in)
	if h.hasError {
		err, _ = out[len(out)-1].Interface().(error)
	}
	if h.hasValue {
		result = out[0].Interface()
	}
	return result, err
}
