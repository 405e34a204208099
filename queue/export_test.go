package queue

import "context"

// Hear is one subscription of a server's, for tests.
func (s *Server) Hear(ctx context.Context) { s.hear(ctx) }

// Busy is how many slots are reserved or in use, for tests.
func (s *Server) Busy() int {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	n := 0
	for _, l := range s.gate.lanes {
		n += l.busy()
	}
	return n
}
