package gateway

// spareRecords are arrays for outboxes that collect several records in one
// pass, so that joining them allocates nothing in the long run.
type spareRecords struct {
	free [][]OutRecord
}

const (
	maxSpares     = 4096
	spareCap      = 8
	maxSpareCap   = 512
	spareBatchLen = 64
)

func (s *spareRecords) get() []OutRecord {
	if len(s.free) == 0 {
		// One allocation serves many receivers.
		block := make([]OutRecord, spareBatchLen*spareCap)
		for i := range spareBatchLen {
			s.free = append(s.free, block[i*spareCap:i*spareCap:(i+1)*spareCap])
		}
	}
	last := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return last
}

func (s *spareRecords) put(records []OutRecord) {
	if cap(records) > maxSpareCap || len(s.free) >= maxSpares {
		return
	}
	clear(records)
	s.free = append(s.free, records[:0])
}
