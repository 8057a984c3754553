package gateway

import "unsafe"

// spareRecords are arrays for outboxes that collect several records in one
// pass, so that joining them allocates nothing in the long run.
type spareRecords struct {
	free [][]OutRecord
	// room is for how many records all of them have room.
	room int
}

const (
	spareCap      = 8
	spareBatchLen = 64
	// maxSpareRoom is 1 MiB of records for each worker: the largest burst must not cost more from
	// then on.
	maxSpareRoom = 1 << 20 / int(unsafe.Sizeof(OutRecord{}))
	maxSpareCap  = 512
)

func (s *spareRecords) get() []OutRecord {
	if len(s.free) == 0 {
		// One allocation serves many receivers.
		block := make([]OutRecord, spareBatchLen*spareCap)
		for i := range spareBatchLen {
			s.free = append(s.free, block[i*spareCap:i*spareCap:(i+1)*spareCap])
		}
		s.room += len(block)
	}
	last := s.free[len(s.free)-1]
	s.free[len(s.free)-1] = nil
	s.free = s.free[:len(s.free)-1]
	s.room -= cap(last)
	return last
}

func (s *spareRecords) put(records []OutRecord) {
	if cap(records) > maxSpareCap || s.room+cap(records) > maxSpareRoom {
		return
	}
	clear(records)
	s.free = append(s.free, records[:0])
	s.room += cap(records)
}
