// Command arm runs the gateway (HUBGATE_BIN) with those who know Azure's resource API only: Azure's management libraries for Go
// and JavaScript (arm library), or the Azure CLI, whose program HUBGATE_AZ names (arm cli). What they change is looked
// at with a client, a webhook and REST. Each case is a line.
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
)

// suite is what the cases share.
type suite struct {
	name    string
	gateway *gateway
	hook    *httptest.Server
	hooks   chan string // paths and events of webhooks
	failed  int
}

func main() {
	which := "library"
	if len(os.Args) > 1 {
		which = os.Args[1]
	}
	s := &suite{name: map[string]string{"library": "arm", "cli": "azurecli"}[which], hooks: make(chan string, 64)}
	if err := s.run(which); err != nil {
		fmt.Printf("FAIL %s: %v\n", s.name, err)
		os.Exit(1)
	}
	if s.failed > 0 {
		os.Exit(1)
	}
}

func (s *suite) run(which string) (err error) {
	s.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.hooks <- r.URL.RequestURI() + " " + r.Header.Get("X-ASRS-Event")
	}))
	defer s.hook.Close()
	if s.gateway, err = startGateway(); err != nil {
		return err
	}
	defer s.gateway.Stop()
	if which == "cli" {
		return s.commandLine()
	}
	if err := s.library(); err != nil {
		return err
	}
	return s.javascript()
}

// step runs one case, and all later ones whatever becomes of it.
func (s *suite) step(name string, run func() error) {
	if err := run(); err != nil {
		s.failed++
		fmt.Printf("FAIL %s %s: %v\n", s.name, name, err)
		return
	}
	fmt.Println("ok", s.name, name)
}

// want is nil if the two are equal.
func want[T comparable](what string, got, expected T) error {
	if got != expected {
		return fmt.Errorf("%s is %v, not %v", what, got, expected)
	}
	return nil
}
