package api_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

// callers is what each caller of a route is answered.
type callers struct {
	nobody, owner, stranger int
}

// matrix holds every route. One that is missing here fails TestEveryRouteIsInTheMatrix.
func matrix() map[string]callers {
	const ok, missing, closed = http.StatusOK, http.StatusNotFound, http.StatusUnauthorized
	return map[string]callers{
		"POST /v1/sounds/generate":              {http.StatusAccepted, http.StatusAccepted, http.StatusAccepted},
		"POST /v1/sounds/:id/variations":        {missing, http.StatusAccepted, missing},
		"GET /v1/interpret":                     {ok, ok, ok},
		"GET /v1/jobs/:id":                      {missing, ok, missing},
		"DELETE /v1/jobs/:id":                   {missing, ok, missing},
		"DELETE /v1/jobs":                       {ok, ok, ok},
		"GET /v1/jobs/:id/events":               {missing, ok, missing},
		"GET /v1/ws":                            {http.StatusSwitchingProtocols, http.StatusSwitchingProtocols, http.StatusSwitchingProtocols},
		"GET /v1/sounds":                        {ok, ok, ok},
		"GET /v1/sounds/:id":                    {missing, ok, missing},
		"DELETE /v1/sounds/:id":                 {missing, http.StatusNoContent, missing},
		"POST /v1/sounds/:id/restore":           {missing, ok, missing},
		"POST /v1/sounds/:id/cancel":            {missing, ok, missing},
		"GET /v1/sounds/:id/download":           {missing, ok, missing},
		"GET /v1/sounds/:id/waveform":           {missing, ok, missing},
		"GET /v1/sounds/:id/recipe":             {missing, ok, missing},
		"POST /v1/packs/plan":                   {ok, ok, ok},
		"POST /v1/packs":                        {http.StatusAccepted, http.StatusAccepted, http.StatusAccepted},
		"GET /v1/packs":                         {ok, ok, ok},
		"GET /v1/packs/:id":                     {missing, ok, missing},
		"DELETE /v1/packs/:id":                  {missing, http.StatusNoContent, missing},
		"POST /v1/packs/:id/restore":            {missing, ok, missing},
		"GET /v1/packs/:id/download":            {missing, ok, missing},
		"POST /v1/packs/:id/rebuild":            {missing, http.StatusAccepted, missing},
		"GET /v1/admin/overview":                {closed, closed, closed},
		"POST /v1/admin/queues/:lane/pause":     {closed, closed, closed},
		"POST /v1/admin/queues/:lane/resume":    {closed, closed, closed},
		"PUT /v1/admin/concurrency":             {closed, closed, closed},
		"PUT /v1/admin/workers/:id/concurrency": {closed, closed, closed},
		"POST /v1/admin/workers/:id/drain":      {closed, closed, closed},
		"POST /v1/admin/workers/:id/wake":       {closed, closed, closed},
		"GET /v1/admin/jobs":                    {closed, closed, closed},
		"POST /v1/admin/jobs/:id/cancel":        {closed, closed, closed},
		"POST /v1/admin/jobs/:id/requeue":       {closed, closed, closed},
		"POST /v1/admin/owners/cancel":          {closed, closed, closed},
		"GET /v1/admin/dead":                    {closed, closed, closed},
		"POST /v1/admin/dead/requeue":           {closed, closed, closed},
		"GET /v1/admin/audit":                   {closed, closed, closed},
		"GET /v1/openapi.json":                  {ok, ok, ok},
		"GET /api/health":                       {ok, ok, ok},
		"GET /metrics":                          {ok, ok, ok},
	}
}

func TestRouteMatrix(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1})
		owner, stranger := p.visitor(t), p.visitor(t)
		mine := owner.rendered()
		unknown := uuid.NewString()

		for _, r := range api.Routes() {
			want, ok := matrix()[r.Method+" "+r.Path]
			require.True(t, ok, "%s %s is missing from the matrix", r.Method, r.Path)
			path := func(id string) string { return strings.Replace(r.Path, ":id", id, 1) }
			id := mine.ID
			switch {
			case r.Method == http.MethodDelete && r.Path == "/v1/sounds/:id":
				id = owner.rendered().ID
			case r.Guard.Owner == api.NoOwner:
				id = unknown // who may not, learns nothing of what there is
			case strings.HasPrefix(r.Path, "/v1/jobs/"):
				id = mine.JobID
			case strings.HasSuffix(r.Path, "/rebuild"):
				id = owner.cancelledPack().ID
			case strings.HasPrefix(r.Path, "/v1/packs/:id"):
				id = owner.builtPack(drums).ID
			}
			for who, c := range map[string]struct {
				v    *visitor
				want int
			}{"nobody": {p.nobody(t), want.nobody}, "owner": {owner, want.owner}, "stranger": {stranger, want.stranger}} {
				t.Run(strings.ReplaceAll(strings.TrimPrefix(r.Path, "/"), "/", " ")+" "+who, func(t *testing.T) {
					if r.Path == "/v1/ws" {
						s := c.v.dial(t)
						require.Equal(t, c.want, s.response.StatusCode)
						p.seen.Store("openSocket", true)
						s.close()
						return
					}
					send := func(method, path string, header ...string) answer {
						if r.Path == "/v1/interpret" {
							path += "?prompt=kick"
						}
						if !r.Guard.Mutating {
							return c.v.do(method, path, nil, header...)
						}
						body := short
						switch r.Path {
						case "/v1/sounds/:id/variations":
							body = `{}`
						case "/v1/packs", "/v1/packs/plan":
							body = `{"theme":"kick","count":1}`
						}
						return c.v.do(method, path, strings.NewReader(body), append(header, "Content-Type", "application/json")...)
					}
					if r.Guard.Mutating {
						if who == "nobody" {
							send(r.Method, path(id)).is(c.want)
							return
						}
						if r.Guard.Owner == api.NoOwner {
							before := p.rows(t)
							send(r.Method, path(id), "X-Requested-With", "patchlab").fails(c.want, model.CodeUnauthorized)
							require.Equal(t, before, p.rows(t))
							return
						}
						before := p.rows(t)
						send(r.Method, path(id)).fails(http.StatusForbidden, "forbidden")
						send(r.Method, path(id), "X-Requested-With", "XMLHttpRequest").fails(http.StatusForbidden, "forbidden")
						require.Equal(t, before, p.rows(t))
						send(r.Method, path(id), "X-Requested-With", "patchlab").is(c.want)
						return
					}
					a := send(r.Method, path(id)).is(c.want)
					if a.status == http.StatusNotFound {
						// Somebody else's answer is that of an id which nobody has.
						b := send(r.Method, path(unknown)).is(http.StatusNotFound)
						pa, pb := a.problem(), b.problem()
						pa.RequestID, pb.RequestID = "", ""
						require.Equal(t, pb, pa)
					}
					if head := send(http.MethodHead, path(id)); r.Path == "/v1/jobs/:id/events" {
						head.is(http.StatusMethodNotAllowed)
					} else {
						head.is(c.want)
					}
				})
			}
		}

		t.Run("operators", func(t *testing.T) { operate(t, p) })

		t.Run("every documented operation was answered well", func(t *testing.T) {
			for path, item := range p.doc.Paths.Map() {
				for method, op := range item.Operations() {
					_, ok := p.seen.Load(op.OperationID)
					require.True(t, ok, "%s %s", method, path)
				}
			}
		})
	})
}

// TestEveryRouteIsInTheMatrix holds the routes, the document and the matrix to
// each other.
func TestEveryRouteIsInTheMatrix(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		doc, err := document()
		require.NoError(t, err)
		var documented, routes []string
		for path, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				documented = append(documented, method+" "+strings.ReplaceAll(strings.ReplaceAll(path, "{", ":"), "}", ""))
			}
		}
		for _, r := range api.Routes() {
			routes = append(routes, r.Method+" "+r.Path)
		}
		slices.Sort(documented)
		slices.Sort(routes)
		require.Equal(t, routes, documented, "openapi.yaml and Routes()")
		require.Equal(t, routes, slices.Sorted(maps.Keys(matrix())), "the matrix and Routes()")

		// And the router has them, and nothing more.
		p := start(t, on, setup{})
		registered := p.api.Registered()
		want := append(slices.Clone(routes), "GET /docs", "HEAD /docs")
		for _, r := range api.Routes() {
			if r.Method == http.MethodGet && r.Path != "/v1/ws" && r.Path != "/v1/jobs/:id/events" {
				want = append(want, "HEAD "+r.Path)
			}
		}
		require.ElementsMatch(t, want, registered)
	})
}

// TestEveryMutatingRouteIsGuarded is invariant 4.
func TestEveryMutatingRouteIsGuarded(t *testing.T) {
	t.Parallel()
	for _, r := range api.Routes() {
		where := r.Method + " " + r.Path
		require.Equal(t, strings.HasPrefix(r.Path, "/v1/admin/"), r.Guard.Owner == api.NoOwner, "%s: operators alone may use /v1/admin", where)
		require.NotEmpty(t, r.Guard.Owner, "%s: who may call?", where)
		if r.Method != http.MethodGet {
			require.True(t, r.Guard.Mutating, "%s needs X-Requested-With", where)
			require.NotEqual(t, api.Anybody, r.Guard.Owner, "%s belongs to somebody", where)
		}
		if r.Path != "/api/health" && r.Path != "/metrics" {
			require.NotEmpty(t, r.Guard.Bucket, "%s counts in no rate", where)
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		known := map[string]bool{}
		for _, r := range api.Routes() {
			known[r.Method+r.Path] = true
		}
		for _, r := range api.Routes() {
			path := strings.Replace(strings.Replace(r.Path, ":id", uuid.NewString(), 1), ":lane", "bulk", 1)
			for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
				if known[method+r.Path] || known[method+strings.NewReplacer("/packs/plan", "/packs/:id", "/sounds/generate", "/sounds/:id").Replace(r.Path)] {
					continue // "plan" and "generate" may be ids, too
				}
				a := v.do(method, path, nil, "X-Requested-With", "patchlab").fails(http.StatusMethodNotAllowed, "method_not_allowed")
				require.Contains(t, a.header.Get("Allow"), r.Method)
			}
		}
		v.do(http.MethodPost, "/library", nil).fails(http.StatusMethodNotAllowed, "method_not_allowed")
	})
}
