package transport

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

func TestAppendEvent(t *testing.T) {
	record := func(parts ...string) (records []gateway.OutRecord) {
		for _, p := range parts {
			records = append(records, gateway.OutRecord{Bytes: []byte(p)})
		}
		return records
	}
	valid := regexp.MustCompile(`^(data: [^\r\n]*\r\n)+\r\n$`)
	for name, c := range map[string]struct {
		records []gateway.OutRecord
		want    string
	}{
		"one record":                   {record("{}\x1e"), "data: {}\x1e\r\n\r\n"},
		"joined records":               {record("{}\x1e", "{\"type\":6}\x1e"), "data: {}\x1e{\"type\":6}\x1e\r\n\r\n"},
		"C44 LF":                       {record("{\n}\x1e"), "data: {\r\ndata: }\x1e\r\n\r\n"},
		"C44 CR LF":                    {record("{\r\n}\x1e"), "data: {\r\ndata: }\x1e\r\n\r\n"},
		"C44 a lone CR is a line end":  {record("{\r}\x1e"), "data: {\r\ndata: }\x1e\r\n\r\n"},
		"C44 LF at both ends":          {record("\n{}\n"), "data: \r\ndata: {}\r\ndata: \r\n\r\n"},
		"C44 empty lines":              {record("a\n\nb"), "data: a\r\ndata: \r\ndata: b\r\n\r\n"},
		"C44 CR LF across two records": {record("a\r", "\nb"), "data: a\r\ndata: b\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			event := string(AppendEvent(nil, c.records))
			require.Equal(t, c.want, event)
			t.Run("C43 only data fields", func(t *testing.T) { require.Regexp(t, valid, event) })
		})
	}
}
