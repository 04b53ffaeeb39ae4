package slowlink

import (
	"sync"
	"time"
)

// pace is a token bucket: it tells everybody when it is their turn.
type pace struct {
	rate int64 // bytes a second
	mu   sync.Mutex
	free time.Time // when all that was asked for has passed
}

// slack is how far the rate may be made good after a pause or an oversleep:
// little, against what is measured over such a link.
const slack = 10 * time.Millisecond

// wait returns when n more bytes have passed.
func (p *pace) wait(n int) {
	p.mu.Lock()
	if earliest := time.Now().Add(-slack); p.free.Before(earliest) {
		p.free = earliest
	}
	p.free = p.free.Add(time.Duration(int64(n) * int64(time.Second) / p.rate))
	turn := p.free
	p.mu.Unlock()
	time.Sleep(time.Until(turn))
}
