package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestConnectionString(t *testing.T) {
	tests := []struct{ name, text, endpoint, client, server, key string }{
		{"of the emulator", "Endpoint=http://localhost;Port=8888;AccessKey=K;Version=1.0;",
			"http://localhost:8888", "http://localhost:8888", "http://localhost:8888", "K"},
		{"keys in any letter case and order, spaces", " accesskey = K== ; ENDPOINT = https://gw.example/ ",
			"https://gw.example", "https://gw.example", "https://gw.example", "K=="},
		{"port within the endpoint", "Endpoint=http://localhost:8888;AccessKey=K",
			"http://localhost:8888", "http://localhost:8888", "http://localhost:8888", "K"},
		{"Port replaces the endpoint's", "Endpoint=http://localhost:1;Port=2;AccessKey=K",
			"http://localhost:2", "http://localhost:2", "http://localhost:2", "K"},
		{"address with brackets", "Endpoint=http://[::1];Port=2;AccessKey=K",
			"http://[::1]:2", "http://[::1]:2", "http://[::1]:2", "K"},
		{"own endpoints", "Endpoint=http://a;ClientEndpoint=https://c/;ServerEndpoint=http://s:9;AccessKey=K;Version=1.1",
			"http://a", "https://c", "http://s:9", "K"},
		{"unknown keys", "Endpoint=http://a;AccessKey=K;Foo=bar;Baz=", "http://a", "http://a", "http://a", "K"},
		{"another way to authenticate", "Endpoint=http://a;AuthType=azure.msi", "http://a", "http://a", "http://a", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := auth.ParseConnectionString(test.text)
			require.NoError(t, err)
			require.Equal(t, test.endpoint, c.Endpoint.String())
			require.Equal(t, test.client, c.Client().String())
			require.Equal(t, test.server, c.Server().String())
			require.Equal(t, test.key, c.AccessKey.Reveal())
		})
	}
}

func TestConnectionStringErrors(t *testing.T) {
	const secret = "TOPSECRET"
	tests := []struct{ name, text, want string }{
		{"empty", "", "no Endpoint"},
		{"no endpoint", "Port=8888;AccessKey=" + secret, "no Endpoint"},
		{"no key", "Endpoint=http://a;Port=8888", "no AccessKey"},
		{"key twice", "Endpoint=http://a;AccessKey=" + secret + ";accesskey=" + secret, "part 3 repeats"},
		{"unknown key twice", "Endpoint=http://a;AccessKey=" + secret + ";x=1;X=2", "part 4 repeats"},
		{"part without equals", "Endpoint=http://a;AccessKey=K;" + secret, "part 3 is not"},
		{"part without key", "Endpoint=http://a;AccessKey=K;=" + secret, "part 3 is not"},
		{"relative endpoint", "Endpoint=localhost;AccessKey=" + secret, "absolute http"},
		{"endpoint of another scheme", "Endpoint=ftp://localhost;AccessKey=" + secret, "absolute http"},
		{"endpoint without host", "Endpoint=http://:8888;AccessKey=" + secret, "absolute http"},
		{"endpoint with user", "Endpoint=http://u:" + secret + "@a;AccessKey=K", "no user"},
		{"endpoint with query", "Endpoint=http://a?x=" + secret + ";AccessKey=K", "no user, query"},
		{"client endpoint", "Endpoint=http://a;ClientEndpoint=" + secret + ";AccessKey=K", "clientendpoint: must"},
		{"port 0", "Endpoint=http://a;Port=0;AccessKey=" + secret, "1 to 65535"},
		{"port 65536", "Endpoint=http://a;Port=65536;AccessKey=" + secret, "1 to 65535"},
		{"port of text", "Endpoint=http://a;Port=" + secret + ";AccessKey=K", "1 to 65535"},
		{"version 2", "Endpoint=http://a;AccessKey=" + secret + ";Version=2.0", "versions 1.x"},
		{"version 10", "Endpoint=http://a;AccessKey=" + secret + ";Version=10", "versions 1.x"},
		{"too long", "Endpoint=http://a;AccessKey=" + strings.Repeat(secret, 2000), "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := auth.ParseConnectionString(test.text)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestFormatConnectionString(t *testing.T) {
	require.Equal(t, "Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;",
		auth.FormatConnectionString("http://localhost", 8888, auth.EmulatorKey))
	require.Equal(t, "Endpoint=https://gw.example;AccessKey=K;Version=1.0;",
		auth.FormatConnectionString("https://gw.example", 0, "K"))
}
