package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/bench/link"
)

// reading is the state of the gateway while all clients are connected and silent.
type reading struct {
	goroutines, descriptors, heap, connections int
	books                                      string
}

func (r reading) String() string {
	return fmt.Sprintf("%d connections, %d goroutines, %d descriptors, heap %d bytes; %s",
		r.connections, r.goroutines, r.descriptors, r.heap, r.books)
}

// What may differ between two equal moments: idle connections of net/http, what the collector of the
// heap has not found yet, and the arrays that workers keep for reuse, which grow with the largest burst
// to at most 1 MiB for each of them. A leak of 300 bytes per connection shows within three minutes.
// Clients of ASP.NET SignalR choose their transports by chance, and not all transports have as many goroutines and
// descriptors: one more for every fourth of these clients is no leak. A leak has one for each that came back.
const (
	slack     = 12
	wanderers = 4
	heapSlack = 2 << 20
)

// compare says what is more than it was.
func (r reading) compare(later reading, aspNet int) error {
	var errs []error
	more := func(what string, before, after, allowed int) {
		if after > before+allowed {
			errs = append(errs, fmt.Errorf("%s: %d, and %d at the end", what, before, after))
		}
	}
	more("goroutines", r.goroutines, later.goroutines, slack+aspNet/wanderers)
	more("descriptors", r.descriptors, later.descriptors, slack+aspNet/wanderers)
	more("heap", r.heap, later.heap, heapSlack+r.heap/50)
	for _, one := range []reading{r, later} {
		if one.books != balanced {
			errs = append(errs, errors.New(one.books))
		}
	}
	return errors.Join(errs...)
}

const balanced = "the books balance"

// settle bounds the wait for the books: they are exact when nothing is under way.
const settle = 10 * time.Second

// phases are how many readings are made of one moment. The gateway remembers verified tokens in
// portions of portionTokens, some hundred bytes each: the heap is the smallest of phases that cover
// one portion.
const (
	phases        = 4
	portionTokens = 2048
)

// measure returns what the gateway holds at this moment.
func (l *lab) measure() (reading, error) {
	least, err := l.read()
	for i := 1; i < phases && err == nil; i++ {
		if err = l.showTokens(portionTokens / phases); err != nil {
			break
		}
		var r reading
		if r, err = l.read(); err == nil {
			r.heap = min(r.heap, least.heap)
			least = r
		}
	}
	return least, err
}

// showTokens makes the gateway verify tokens that it has not seen.
func (l *lab) showTokens(n int) error {
	path := "/api/hubs/" + strings.ToLower(hub) + "/users/nobody"
	for range n {
		l.tokens++
		token, err := sign(l.gateway.URL+path, fmt.Sprint("reading ", l.tokens))
		if err != nil {
			return err
		}
		r, err := http.NewRequest(http.MethodHead, l.gateway.URL+path+"?api-version=2022-06-01", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusNotFound {
			return errors.New("a user that nobody is: " + resp.Status)
		}
	}
	return nil
}

// read is one reading.
func (l *lab) read() (reading, error) {
	var r reading
	var err error
	for end := time.Now().Add(settle); ; time.Sleep(100 * time.Millisecond) {
		text, err := get(l.gateway.Admin + "/debug/check")
		if err != nil && text == nil {
			return r, err
		}
		if r.books = strings.TrimSpace(string(text)); r.books == balanced || time.Now().After(end) {
			break
		}
	}
	if r.heap, err = l.heap(); err != nil {
		return r, err
	}
	text, err := get(l.gateway.Admin + "/metrics")
	if err != nil {
		return r, err
	}
	want := map[string]*int{
		"go_goroutines": &r.goroutines, "process_open_fds": &r.descriptors,
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		into := want[name]
		if strings.HasPrefix(name, "hubgate_connections{") {
			into = &r.connections
		}
		if into != nil {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return r, err
			}
			*into += int(f)
		}
	}
	return r, nil
}

// heap returns the bytes of living objects, and keeps a profile of them.
func (l *lab) heap() (int, error) {
	profile, err := get(l.gateway.Admin + "/debug/pprof/heap?gc=1")
	if err != nil {
		return 0, err
	}
	l.readings++
	if err := os.WriteFile(filepath.Join(l.dir, fmt.Sprintf("heap-%02d.pb.gz", l.readings)), profile, 0o600); err != nil {
		return 0, err
	}
	// Finalizers have freed what the first collection found. The second form says how much there was
	// behind its collection and before it was written itself, which takes more with each call path that
	// the profile knows: that would look like a leak.
	text, err := get(l.gateway.Admin + "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(text, []byte("# HeapAlloc = "))
	number, _, _ := bytes.Cut(rest, []byte("\n"))
	if !found {
		return 0, errors.New("the profile of the heap does not say how large it is")
	}
	return strconv.Atoi(string(number))
}

// get returns the body also of an answer that is an error.
func get(address string) ([]byte, error) {
	client := http.Client{Timeout: link.AnswerTime, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(address)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, resp.Status)
	}
	return text, err
}
