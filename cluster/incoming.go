package cluster

import "time"

// incoming is what a session receives.
type incoming struct {
	// received is the last unit that came in order; taken is the last one whose frames are carried
	// out, which is what is acknowledged.
	received, taken uint64
	// filter is the number of the last Filter frame that is in force.
	filter uint64
	// partial are the pieces of a frame that is not complete.
	partial []byte
	// ready are frames that are complete.
	ready []frame
	// commands is how many commands were carried out in this session.
	commands uint64
	// owed is the cost of what was received and not acknowledged, owedSince is when the first came.
	owed      int
	owedSince time.Duration
	// asked is when what follows a unit was asked for again, askedFor that unit's number.
	asked    time.Duration
	askedFor uint64
	asking   bool
}

// units reads the units of a Data packet. Those that are known already are passed over. It returns
// false if units in front of the first are missing.
func (in *incoming) units(first uint64, r *wireReader, frameLimit int, now time.Duration) (inOrder bool, err error) {
	if first > in.received+1 {
		return false, nil
	}
	for number := first; len(r.Rest) > 0; number++ {
		kind := frameType(r.Byte())
		bytes := r.Take(int(r.Uvarint(uint64(len(r.Rest)))))
		if r.Failed {
			return true, errMalformed
		}
		if number <= in.received {
			continue
		}
		in.received = number
		if in.owed == 0 {
			in.owedSince = now
		}
		in.owed += len(bytes) + unitCost
		if err := in.unit(kind, bytes, frameLimit); err != nil {
			return true, err
		}
	}
	return true, nil
}

// unit adds one unit to the frame that it is a piece of.
func (in *incoming) unit(kind frameType, bytes []byte, frameLimit int) error {
	if len(in.partial)+len(bytes) > frameLimit {
		return errTooLarge
	}
	if kind&frameMore != 0 {
		if len(bytes) == 0 {
			return errMalformed // an endless frame
		}
		in.partial = append(in.partial, bytes...)
		return nil
	}
	if len(in.partial) > 0 {
		bytes = append(in.partial, bytes...)
		in.partial = nil
	}
	in.ready = append(in.ready, frame{kind, bytes})
	return nil
}

// takeReady returns the frames that are complete, which the caller carries out, and how many are
// commands.
func (in *incoming) takeReady() (frames []frame, commands uint64) {
	for i := range in.ready {
		if in.ready[i].kind == frameCommand {
			commands++
		}
	}
	in.commands += commands
	frames, in.ready = in.ready, nil
	return frames, commands
}

// missing reports whether what follows the last unit in order is to be asked for again: it is
// known to be missing, and was not asked for just now.
func (in *incoming) missing(now time.Duration) bool {
	if in.asking && in.askedFor == in.received && now-in.asked < askAgainEvery {
		return false
	}
	in.asking, in.asked, in.askedFor = true, now, in.received
	return true
}
