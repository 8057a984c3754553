package hubserver

import (
	"encoding/json"
	"fmt"
	"reflect"
)

var (
	contextType = reflect.TypeFor[*Context]()
	errorType   = reflect.TypeFor[error]()
)

// yields is how a method gives its results.
type yields uint8

const (
	yieldsValue yields = iota
	yieldsSequence
	yieldsChannel
)

// method is a registered function, with what its type says worked out once.
type method struct {
	name     string
	function reflect.Value
	// params are the parameters behind the context. Those of uploads, channels, have
	// their element types in uploads at the same place.
	params  []reflect.Type
	uploads []bool
	streams int // how many uploads there are
	yields  yields
	// value and failure are places of results, -1 for none.
	value, failure int
}

func newMethod(name string, function any) (*method, error) {
	v := reflect.ValueOf(function)
	if v.Kind() != reflect.Func || v.IsNil() {
		return nil, fmt.Errorf("is %T, not a function", function)
	}
	t := v.Type()
	if t.NumIn() == 0 || !contextType.AssignableTo(t.In(0)) {
		return nil, fmt.Errorf("%s: the first parameter must be a *hubserver.Context", t)
	}
	if t.IsVariadic() {
		return nil, fmt.Errorf("%s: must not be variadic", t)
	}
	m := &method{name: name, function: v, value: -1, failure: -1}
	for i := 1; i < t.NumIn(); i++ {
		if err := m.addParam(t.In(i)); err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
	}
	return m, m.setResults(t)
}

func (m *method) addParam(t reflect.Type) error {
	upload := t.Kind() == reflect.Chan
	if upload {
		if t.ChanDir() != reflect.RecvDir {
			return fmt.Errorf("parameter %s: an upload is a receive-only channel", t)
		}
		m.streams++
	} else if t.Kind() == reflect.Func {
		return fmt.Errorf("parameter %s cannot be decoded", t)
	}
	m.params = append(m.params, t)
	m.uploads = append(m.uploads, upload)
	return nil
}

func (m *method) setResults(t reflect.Type) error {
	for i := range t.NumOut() {
		switch out := t.Out(i); {
		case out == errorType && i == t.NumOut()-1:
			m.failure = i
		case i > 0:
			return fmt.Errorf("%s: returns at most a value and an error", t)
		default:
			m.value = i
			m.yields = yieldsOf(out)
			if out.Kind() == reflect.Func && m.yields != yieldsSequence {
				return fmt.Errorf("%s: a function that is returned must be an iter.Seq2[T, error]", t)
			}
			if out.Kind() == reflect.Chan && m.yields != yieldsChannel {
				return fmt.Errorf("%s: a channel that is returned must be receive-only", t)
			}
		}
	}
	return nil
}

func yieldsOf(t reflect.Type) yields {
	switch {
	case t.Kind() == reflect.Chan && t.ChanDir() == reflect.RecvDir:
		return yieldsChannel
	case t.Kind() == reflect.Func && t.NumIn() == 1 && t.NumOut() == 0:
		yield := t.In(0)
		if yield.Kind() == reflect.Func && yield.NumIn() == 2 && yield.In(1) == errorType &&
			yield.NumOut() == 1 && yield.Out(0).Kind() == reflect.Bool {
			return yieldsSequence
		}
	}
	return yieldsValue
}

// bind decodes the arguments. Places of uploads are left empty.
func (m *method) bind(arguments []json.RawMessage) ([]reflect.Value, error) {
	if want := len(m.params) - m.streams; len(arguments) != want {
		return nil, fmt.Errorf("%d arguments for the %d of %q", len(arguments), want, m.name)
	}
	in := make([]reflect.Value, len(m.params)+1)
	next := 0
	for i, t := range m.params {
		if m.uploads[i] {
			continue
		}
		value := reflect.New(t)
		if err := json.Unmarshal(arguments[next], value.Interface()); err != nil {
			return nil, fmt.Errorf("argument %d of %q: %w", next+1, m.name, err)
		}
		in[i+1] = value.Elem()
		next++
	}
	return in, nil
}

// call calls the function. The value is not valid if the method has none.
func (m *method) call(in []reflect.Value) (value reflect.Value, err error) {
	out := m.function.Call(in)
	if m.failure >= 0 {
		err, _ = out[m.failure].Interface().(error)
	}
	if m.value >= 0 {
		value = out[m.value]
	}
	return value, err
}

// each gives the items of a stream to do until that returns false, and returns the
// stream's error. done ends the wait for a channel's next item.
func (m *method) each(stream reflect.Value, done <-chan struct{}, do func(item any) bool) error {
	if stream.IsNil() {
		return nil
	}
	if m.yields == yieldsChannel {
		cases := []reflect.SelectCase{
			{Dir: reflect.SelectRecv, Chan: stream},
			{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)},
		}
		for {
			chosen, item, open := reflect.Select(cases)
			if chosen == 1 || !open || !do(item.Interface()) {
				return nil
			}
		}
	}
	var failure error
	yield := reflect.MakeFunc(stream.Type().In(0), func(args []reflect.Value) []reflect.Value {
		failure, _ = args[1].Interface().(error)
		more := failure == nil && do(args[0].Interface())
		return []reflect.Value{reflect.ValueOf(more).Convert(stream.Type().In(0).Out(0))}
	})
	stream.Call([]reflect.Value{yield})
	return failure
}
