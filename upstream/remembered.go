package upstream

import "time"

const (
	// rememberedFor is how long it is remembered what was told of a client of a dead node: what is to be done for
	// that node is done by then.
	rememberedFor = 10 * time.Minute
	// sweepEvery is how long what is remembered is not gone through again: a node that died may have had 100 000
	// clients, whose ends come one by one.
	sweepEvery = time.Minute
)

// remembered are connections of which something is known, and since when. The zero value knows nothing. It is
// guarded by who has it.
type remembered struct {
	since map[string]time.Time
	swept time.Time // when old ones were forgotten
}

// note remembers a connection, and reports whether it was known.
func (r *remembered) note(id string) (known bool) {
	if r.since == nil {
		r.since = make(map[string]time.Time)
	}
	now := time.Now()
	if len(r.since) > 1024 && now.Sub(r.swept) >= sweepEvery {
		r.swept = now
		for other, since := range r.since {
			if now.Sub(since) > rememberedFor {
				delete(r.since, other)
			}
		}
	}
	_, known = r.since[id]
	r.since[id] = now
	return known
}

func (r *remembered) has(id string) bool {
	_, known := r.since[id]
	return known
}

func (r *remembered) forget(id string) { delete(r.since, id) }
