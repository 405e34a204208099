package api

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"patchlab/internal/limit"
	"patchlab/internal/model"
)

// requestIDKey is where a request's id is kept.
const requestIDKey = "request_id"

func requestID(c *gin.Context) string { return c.GetString(requestIDKey) }

// policy is the content security policy of the browser app: everything from here,
// but for sounds that a signer serves.
func policy(signer Signer) string {
	sounds := ""
	if signer != nil {
		sounds = " " + signer.Public()
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; " +
		"media-src 'self' blob:" + sounds + "; connect-src 'self'" + sounds + "; manifest-src 'self'; base-uri 'none'; " +
		"form-action 'self'; frame-ancestors 'none'"
}

// outermost is around every request: its id, its headers, its panics, its log line.
func (a *API) outermost(c *gin.Context) {
	started := time.Now()
	rid := c.GetHeader("X-Request-ID")
	if !saneID(rid) {
		rid = strings.ToLower(rand.Text())
	}
	c.Set(requestIDKey, rid)
	if c.Request.ContentLength != 0 {
		// Also where nobody reads it: the server does, before it answers.
		a.readBy(c, started.Add(a.opt.BodyTimeout))
	}
	h := c.Writer.Header()
	h.Set("X-Request-ID", rid)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", a.csp)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")

	defer func() {
		if p := recover(); p != nil {
			a.log.ErrorContext(c.Request.Context(), "a handler panicked", "request_id", rid, "route", c.FullPath(), "panic", p, "stack", string(debug.Stack()))
			if c.Writer.Written() {
				panic(http.ErrAbortHandler) // cuts the connection: half an answer must not look whole
			}
			a.finish(c, fmt.Errorf("panic: %v", p))
		}
		a.opt.Metrics.Request(c.Request.Method, c.FullPath(), c.Writer.Status(), time.Since(started), lasting(c))
		// The query is left out: it holds people's words.
		a.log.InfoContext(c.Request.Context(), "request", "request_id", rid, "method", c.Request.Method, "path", c.Request.URL.Path,
			"status", c.Writer.Status(), "bytes", max(0, c.Writer.Size()), "ms", time.Since(started).Milliseconds())
	}()
	c.Next()
}

// lasting reports whether a request takes as long as its client wants: a stream, a
// socket, a download, a wait.
func lasting(c *gin.Context) bool { return c.GetBool(lastingKey) }

// lastingKey marks such requests.
const lastingKey = "lasting"

// saneID reports whether a client's request id can go into headers and logs.
func saneID(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if ch := s[i]; !(ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch == '-' || ch == '_') {
			return false
		}
	}
	return true
}

// callerKey is where the caller of a request is kept.
const callerKey = "caller"

// caller returns who calls. Somebody without a cookie on a route that admits no
// new visitors is nobody: the zero Caller, who owns nothing.
func caller(c *gin.Context) model.Caller {
	v, _ := c.Get(callerKey)
	who, _ := v.(model.Caller)
	return who
}

// guarded puts a route's guards before its handler.
func (a *API) guarded(r Route) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := a.admit(c, r.Guard)
		if err == nil {
			err = r.handle(a, c)
		}
		a.finish(c, err)
	}
}

// admit applies guards in the order of their cost.
func (a *API) admit(c *gin.Context, g Guard) error {
	if g.Mutating && c.GetHeader("Cookie") != "" && c.GetHeader("X-Requested-With") != "patchlab" {
		return model.Errorf(model.CodeForbidden, "a request that changes something and carries a cookie needs the header X-Requested-With: patchlab")
	}
	who, known := a.visitor(c.Request)
	if known {
		c.Set(callerKey, who)
	}
	if g.Bucket != "" {
		owner := ""
		if known {
			owner = who.Owner()
		}
		if err := a.count(c, g.Bucket, owner); err != nil {
			return err
		}
	}
	if g.Owner == NoOwner {
		return a.admitOperator(c)
	}
	if g.Owner == Visitor && !known {
		return a.welcome(c)
	}
	return nil
}

// VisitorCookie is the cookie by which a visitor without an account is known.
const VisitorCookie = "patchlab_anon"

// visitorLife is how long a browser keeps it, in seconds: a year.
const visitorLife = 365 * 24 * 60 * 60

// visitor returns the visitor of a request, ok = false without a valid cookie.
func (a *API) visitor(r *http.Request) (who model.Caller, ok bool) {
	cookie, err := r.Cookie(VisitorCookie)
	if err != nil {
		return model.Caller{}, false
	}
	return a.opt.Visitors.Known(cookie.Value)
}

// welcome makes the caller a new visitor.
func (a *API) welcome(c *gin.Context) error {
	secret, who, err := a.opt.Visitors.Draw()
	if err != nil {
		return fmt.Errorf("welcome a visitor: %w", err)
	}
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure wherever people come by HTTPS
		Name:     VisitorCookie,
		Value:    secret,
		Path:     "/",
		MaxAge:   visitorLife,
		Secure:   strings.HasPrefix(a.origin, "https:"),
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
	c.Set(callerKey, who)
	return nil
}

// count counts a request, and refuses it where it is one too many.
func (a *API) count(c *gin.Context, bucket limit.Bucket, owner string) error {
	addr, err := netip.ParseAddr(c.ClientIP())
	if err != nil {
		return model.Wrap(model.CodeBadRequest, err, "the address of the client cannot be read")
	}
	d := a.opt.Limits.Allow(c.Request.Context(), bucket, owner, addr)
	if d.Limit > 0 {
		c.Header("RateLimit-Limit", strconv.Itoa(d.Limit))
		c.Header("RateLimit-Remaining", strconv.Itoa(d.Remaining))
		c.Header("RateLimit-Reset", strconv.Itoa(int(d.Reset.Round(time.Second).Seconds())))
	}
	if d.Allowed {
		return nil
	}
	e := model.Errorf(model.CodeRateLimited, "too many requests: wait %s", d.RetryAfter.Round(time.Second)+time.Second)
	e.RetryAfter = d.RetryAfter
	return e
}
