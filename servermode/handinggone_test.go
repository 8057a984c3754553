package servermode

import "testing"

// A hand-over that begins when the server connection has just ended, and its clients have not been told yet,
// begins nothing and waits for nobody.
func TestN43AHandOverBeginsWhenTheServerConnectionHasEnded(t *testing.T) {
	sc := &serverConn{b: &Backend{opts: Options{Node: "a"}}}
	sc.clients.add("c", &session{})
	sc.clients.close()
	h := &handing{sc: sc, id: "c", over: make(chan struct{})}
	if h.begin("a") {
		t.Fatal("a client whose hub server is gone is handed over")
	}
}
