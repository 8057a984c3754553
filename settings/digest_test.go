package settings

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

// Whatever is changed in the settings can be seen, also what is secret, and only in its part.
func TestDigestsTellEverySetting(t *testing.T) {
	key := []byte("key")
	full := func() Settings {
		s := Default()
		s.Hubs = map[string]Hub{"chat": {Mode: Classic}, "news": {Mode: DefaultMode}}
		s.Keys.Secondary = secret.Text("second")
		s.Upstream.Templates = []Template{{}}
		s.Limits.Rules = []Rule{{}}
		return s
	}
	before := full()
	same := full()
	require.Equal(t, before.Digests(key), same.Digests(key))
	require.Empty(t, Differences(before.Digests(key), same.Digests(key)))
	require.NotEqual(t, before.Digests(key), before.Digests([]byte("other")))

	changed := 0
	for part := range reflect.TypeFor[Settings]().NumField() {
		name := reflect.TypeFor[Settings]().Field(part).Name
		for i := 0; ; i++ {
			after, left := full(), i
			if !changeLeaf(reflect.ValueOf(&after).Elem().Field(part), &left) {
				require.NotZero(t, i, name)
				break
			}
			changed++
			want := 1
			if after.Upstream.Source != before.Upstream.Source {
				want = 0 // each node has a file of its own
			}
			require.Len(t, Differences(before.Digests(key), after.Digests(key)), want, "%s, value %d", name, i)
		}
	}
	require.Greater(t, changed, 40)
}

// While nodes change from one secret to another nothing can be said of their settings.
func TestDigestsOfTwoKeysAreNoDifference(t *testing.T) {
	a, b := Default(), Default()
	b.Mode = Classic
	require.Empty(t, Differences(a.Digests([]byte("one")), b.Digests([]byte("two"))))
}

// A part that another version does not have is no difference.
func TestDifferencesKnowOtherVersions(t *testing.T) {
	require.Equal(t, []string{"b", "c"}, Differences(
		map[string]string{"a": "1", "b": "1", "c": "1", "new": "1"}, map[string]string{"a": "1", "b": "2", "c": "2"}))
}

// changeLeaf changes the value that is the left-th in the order of fields; false if there are not so many.
func changeLeaf(v reflect.Value, left *int) bool {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && changeLeaf(v.Field(i), left) {
				return true
			}
		}
		return false
	case reflect.Slice:
		for i := range v.Len() {
			if changeLeaf(v.Index(i), left) {
				return true
			}
		}
	}
	if *left--; *left >= 0 {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + int64(time.Second))
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	case reflect.Map:
		more := reflect.MakeMap(v.Type())
		for _, k := range v.MapKeys() {
			more.SetMapIndex(k, reflect.Zero(v.Type().Elem()))
		}
		v.Set(more)
	default:
		panic(fmt.Sprint("a kind that the test does not know: ", v.Kind()))
	}
	return true
}
