package clientaspnet

import "sync"

// aborted remembers the connections that their clients have aborted last. A poll of such a client that was
// on its way is no reason to complain.
type aborted struct {
	mu   sync.Mutex
	ids  [64]string
	next int
}

func (a *aborted) add(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids[a.next%len(a.ids)] = id
	a.next++
}

func (a *aborted) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.ids {
		if one == id {
			return true
		}
	}
	return false
}
