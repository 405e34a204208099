package api

// Source returns the OpenAPI description as it is written.
func Source() []byte { return source }

// Registered returns what the router really answers, as "GET /v1/sounds".
func (a *API) Registered() []string {
	routes := a.engine.Routes()
	out := make([]string, len(routes))
	for i, r := range routes {
		out[i] = r.Method + " " + r.Path
	}
	return out
}
