package cli

import (
	"fmt"
	"strings"
	"sync"
)

// barWidth is the width of a progress bar in characters.
const barWidth = 30

// progress says on standard error how far many sounds have come: with a bar on a
// terminal, with a line for each tenth elsewhere. It is safe for concurrent use.
type progress struct {
	env   Env
	total int

	mu    sync.Mutex
	done  int
	shown int // tenths
}

// step counts one sound more.
func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.env.StderrIsTerminal {
		full := barWidth * p.done / p.total
		_, _ = fmt.Fprintf(p.env.Stderr, "\r[%s%s] %3d %%, %d of %d sounds ",
			strings.Repeat("#", full), strings.Repeat("-", barWidth-full), 100*p.done/p.total, p.done, p.total)
		return
	}
	if tenths := 10 * p.done / p.total; tenths > p.shown {
		p.shown = tenths
		complain(p.env, "%d %%, %d of %d sounds", 10*tenths, p.done, p.total)
	}
}

// end leaves the line of the bar.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.env.StderrIsTerminal && p.done > 0 {
		_, _ = fmt.Fprintln(p.env.Stderr)
	}
}
