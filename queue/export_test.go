package queue

import "context"

// Hear is one subscription of a server's, for tests.
func (s *Server) Hear(ctx context.Context) { s.hear(ctx) }
