package values

import (
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/hubprotocol"
)

// errTooDeep is the error for values that nest deeper than clients may be sent.
var errTooDeep = fmt.Errorf("value nests deeper than %d", hubprotocol.MaxDepth)

var (
	numberType        = reflect.TypeFor[json.Number]()
	timeType          = reflect.TypeFor[time.Time]()
	marshalerType     = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
)

// appendPacked appends a value as MessagePack, in the shape that encoding/json gives it.
func appendPacked(dst []byte, value any) ([]byte, error) {
	if value == nil {
		return msgp.AppendNil(dst), nil
	}
	return appendPackedReflect(dst, reflect.ValueOf(value), 0)
}

func appendPackedReflect(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if depth > hubprotocol.MaxDepth {
		return dst, errTooDeep
	}
	t := v.Type()
	switch {
	case t == timeType:
		return appendTimestamp(dst, v.Interface().(time.Time)), nil
	case t == numberType, v.Kind() != reflect.Interface && (t.Implements(marshalerType) || t.Implements(textMarshalerType)):
		return appendPackedByJSON(dst, v)
	}
	switch v.Kind() {
	case reflect.Bool:
		return msgp.AppendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return msgp.AppendInt64(dst, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return msgp.AppendUint64(dst, v.Uint()), nil
	case reflect.Float32:
		return msgp.AppendFloat32(dst, float32(v.Float())), nil
	case reflect.Float64:
		return msgp.AppendFloat64(dst, v.Float()), nil
	case reflect.String:
		return msgp.AppendString(dst, strings.ToValidUTF8(v.String(), "\uFFFD")), nil
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return msgp.AppendNil(dst), nil
		}
		return appendPackedReflect(dst, v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		return appendPackedList(dst, v, depth)
	case reflect.Map:
		return appendPackedMap(dst, v, depth)
	case reflect.Struct:
		return appendPackedStruct(dst, v, depth)
	}
	return dst, &json.UnsupportedTypeError{Type: t}
}

// appendPackedByJSON appends what the value's JSON says.
func appendPackedByJSON(dst []byte, v reflect.Value) ([]byte, error) {
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return dst, err
	}
	return hubprotocol.AppendJSONAsMessagePack(dst, text)
}

func appendPackedList(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.Kind() == reflect.Slice {
		if v.IsNil() {
			return msgp.AppendNil(dst), nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return msgp.AppendBytes(dst, v.Bytes()), nil
		}
	}
	dst = msgp.AppendArrayHeader(dst, uint32(v.Len()))
	for i := range v.Len() {
		var err error
		if dst, err = appendPackedReflect(dst, v.Index(i), depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendPackedMap appends the entries in the order of their names, as encoding/json does.
// Keys that are no strings take the way through JSON.
func appendPackedMap(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	key := v.Type().Key()
	switch {
	case v.IsNil():
		return msgp.AppendNil(dst), nil
	case key.Kind() != reflect.String || key.Implements(textMarshalerType):
		return appendPackedByJSON(dst, v)
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	dst = msgp.AppendMapHeader(dst, uint32(len(keys)))
	for _, key := range keys {
		var err error
		dst = msgp.AppendString(dst, strings.ToValidUTF8(key.String(), "\uFFFD"))
		if dst, err = appendPackedReflect(dst, v.MapIndex(key), depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendPackedStruct(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	fields, err := packedFields(v.Type())
	if err != nil {
		return appendPackedByJSON(dst, v)
	}
	present := make([]packedField, 0, len(fields))
	for _, field := range fields {
		if !field.omitted(v.Field(field.index)) {
			present = append(present, field)
		}
	}
	dst = msgp.AppendMapHeader(dst, uint32(len(present)))
	for _, field := range present {
		dst = msgp.AppendString(dst, field.name)
		if dst, err = appendPackedReflect(dst, v.Field(field.index), depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// packedField is a field of a struct as its json tag has it.
type packedField struct {
	name                string
	index               int
	omitEmpty, omitZero bool
}

func (f packedField) omitted(v reflect.Value) bool {
	if f.omitZero {
		if zero, ok := v.Interface().(interface{ IsZero() bool }); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
			return zero.IsZero()
		}
		return v.IsZero()
	}
	if !f.omitEmpty {
		return false
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

var errByJSON = errors.New("struct has to take the way through JSON")

// structFields caches packedFields by type: []packedField, or nil for errByJSON.
var structFields sync.Map

// packedFields returns the fields of a struct, or errByJSON if telling them would mean to
// repeat the rules of encoding/json for embedded structs and quoted values.
func packedFields(t reflect.Type) ([]packedField, error) {
	if known, ok := structFields.Load(t); ok {
		if fields := known.([]packedField); fields != nil {
			return fields, nil
		}
		return nil, errByJSON
	}
	fields, err := readFields(t)
	structFields.Store(t, fields)
	return fields, err
}

func readFields(t reflect.Type) ([]packedField, error) {
	fields := make([]packedField, 0, t.NumField())
	names := make(map[string]bool, t.NumField())
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		if field.Anonymous {
			return nil, errByJSON
		}
		if !field.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		has := func(option string) bool { return slices.Contains(strings.Split(options, ","), option) }
		if name == "" {
			name = field.Name
		}
		if has("string") || names[name] || strings.ContainsAny(name, `'"\`) {
			return nil, errByJSON
		}
		names[name] = true
		fields = append(fields, packedField{name, i, has("omitempty"), has("omitzero")})
	}
	return fields, nil
}

// appendTimestamp appends the timestamp extension of MessagePack, type -1, in its 96 bit
// form, which every time fits.
func appendTimestamp(dst []byte, t time.Time) []byte {
	dst = append(dst, 0xc7, 12, 0xff)
	dst = binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond()))
	return binary.BigEndian.AppendUint64(dst, uint64(t.Unix()))
}
