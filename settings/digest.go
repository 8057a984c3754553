package settings

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Digests returns a short text for each part of the settings, by the part's name: mode, hubs, keys,
// upstream, cors, limits, clients, aspnet, servers, auth, presence, rest, oidc, access, firewall and trace. Nodes whose texts of a part are equal have
// the same settings there. Fields with the tag digest:"-" do not count: they say where something came from. The key keeps secrets in them from being guessed; all who compare need the same.
func (s *Settings) Digests(key []byte) map[string]string {
	all := map[string]string{"": short(hmac.New(sha256.New, key))}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		name := strings.ToLower(v.Type().Field(i).Name)
		h := hmac.New(sha256.New, key)
		digest(h, v.Field(i))
		all[name] = short(h)
	}
	return all
}

func short(h hash.Hash) string { return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9]) }

// Differences returns the names of the parts in which two nodes differ, sorted. Parts that only one of
// them knows, which is of another version, do not count. Digests with two keys cannot be compared: nil.
func Differences(a, b map[string]string) (parts []string) {
	if a[""] != b[""] {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if other, known := b[name]; known && other != a[name] {
			parts = append(parts, name)
		}
	}
	return parts
}

// digest writes a value so that no two values are written alike.
func digest(h hash.Hash, v reflect.Value) {
	number := func(n uint64) { _, _ = h.Write(binary.BigEndian.AppendUint64(nil, n)) } // a hash takes everything
	switch v.Kind() {
	case reflect.String:
		number(uint64(v.Len()))
		_, _ = h.Write([]byte(v.String()))
	case reflect.Bool:
		if v.Bool() {
			number(1)
		} else {
			number(0)
		}
	case reflect.Int, reflect.Int64:
		number(uint64(v.Int()))
	case reflect.Float64:
		number(math.Float64bits(v.Float()))
	case reflect.Uint8:
		number(v.Uint())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("digest") != "-" {
				digest(h, v.Field(i))
			}
		}
	case reflect.Slice:
		number(uint64(v.Len()))
		for i := range v.Len() {
			digest(h, v.Index(i))
		}
	case reflect.Map: // by texts
		number(uint64(v.Len()))
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			digest(h, k)
			digest(h, v.MapIndex(k))
		}
	default:
		panic("settings: a kind that Digests does not know: " + v.Kind().String()) // a test sees it
	}
}
