package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"patchlab/internal/health"
	"patchlab/internal/model"
)

// health handles GET /api/health.
func (a *API) health(c *gin.Context) error {
	report := a.opt.Health.Report(c.Request.Context())
	code := http.StatusOK
	if report.Status != health.OK {
		code = http.StatusServiceUnavailable
		c.Header("Retry-After", strconv.Itoa(retryAfterDown))
	}
	return a.reply(c, code, report)
}

// metrics handles GET /metrics.
func (a *API) metrics(c *gin.Context) error {
	c.Header("Cache-Control", "no-store")
	a.opt.Metrics.Handler().ServeHTTP(c.Writer, c.Request)
	return nil
}

// openapi handles GET /v1/openapi.json.
func (a *API) openapi(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	c.Header("Cache-Control", "public, max-age=300")
	return a.reply(c, http.StatusOK, json.RawMessage(a.doc.json))
}

// app serves the browser app: its files, and index.html for every other path
// that could be a page of it.
func (a *API) app(c *gin.Context) error {
	p := c.Request.URL.Path
	if strings.HasPrefix(p, "/v1/") || p == "/v1" || strings.HasPrefix(p, "/api/") || p == "/api" {
		return nothingHere()
	}
	if c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead {
		c.Header("Allow", "GET, HEAD")
		return model.Errorf(model.CodeMethod, "%s is not for %s; the Allow header names what is", clip(p), clip(c.Request.Method))
	}
	if slices.Contains(strings.Split(p, "/"), "..") {
		return model.Errorf(model.CodeNotFound, "there is no such file")
	}
	if !a.opt.WebBuilt {
		return a.page(c, http.StatusServiceUnavailable, notBuilt, nil)
	}
	name := strings.TrimPrefix(path.Clean(p), "/")
	if info, err := fs.Stat(a.opt.Web, name); name != "" && err == nil && !info.IsDir() {
		cache := "public, max-age=300"
		if strings.HasPrefix(name, "assets/") {
			cache = "public, max-age=31536000, immutable" // the name holds a hash of the content
		}
		c.Header("Cache-Control", cache)
		http.ServeFileFS(c.Writer, c.Request, a.opt.Web, name)
		return nil
	}
	if strings.HasPrefix(p, "/assets/") || path.Ext(name) != "" {
		return model.Errorf(model.CodeNotFound, "there is no such file")
	}
	return a.index(c)
}

// index serves the app's page. Its visitor becomes known here, before the page
// asks for several things at once, each of which would make another visitor.
func (a *API) index(c *gin.Context) error {
	if _, known := a.visitor(c.Request); !known {
		if err := a.welcome(c); err != nil {
			return err
		}
	}
	body, err := fs.ReadFile(a.opt.Web, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return a.page(c, http.StatusServiceUnavailable, notBuilt, nil)
	}
	if err != nil {
		return fmt.Errorf("read index.html: %w", err)
	}
	c.Header("Cache-Control", "private, no-cache") // it may carry a visitor's cookie
	c.Header("Content-Type", "text/html; charset=utf-8")
	c.Writer.WriteHeader(http.StatusOK)
	a.write(c, body)
	return nil
}

// notBuilt is the page of a binary that was built without the browser app.
const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>PatchLAB</title>
<h1>The browser app is not in this binary</h1>
<p>Build it with <code>make build</code>, or start with <code>make run</code>. The API works: see <a href="/docs">/docs</a>.</p></html>`

// page answers with a small page of our own.
func (a *API) page(c *gin.Context, status int, text string, data any) error {
	t, err := template.New("page").Parse(text)
	if err != nil {
		return fmt.Errorf("read a page: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return fmt.Errorf("write a page: %w", err)
	}
	c.Header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	c.Header("Content-Type", "text/html; charset=utf-8")
	cache := "no-cache"
	if status != http.StatusOK {
		cache = "no-store"
	}
	c.Header("Cache-Control", cache)
	c.Writer.WriteHeader(status)
	a.write(c, []byte(b.String()))
	return nil
}

// docs shows the OpenAPI document to people.
func (a *API) docs(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	schemas := make(map[string]string, len(a.doc.Components.Schemas))
	for name, s := range a.doc.Components.Schemas {
		b, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return fmt.Errorf("encode schema %s: %w", name, err)
		}
		schemas[name] = string(b)
	}
	codes := []model.Code{
		model.CodeBadRequest, model.CodeInvalid, model.CodeUnauthorized, model.CodeForbidden, model.CodeNotFound, model.CodeConflict,
		model.CodeKeyReused, model.CodeTooLarge, model.CodeUnsupported, model.CodeNotReady, model.CodeGone, model.CodeRateLimited,
		model.CodeQuota, model.CodeUnavailable, model.CodeInternal, model.CodeMethod, model.CodeRange, model.CodePrecondition,
		model.CodeMismatch,
	}
	problems := make(map[model.Code]int, len(codes))
	for _, code := range codes {
		problems[code] = status(code)
	}
	return a.page(c, http.StatusOK, docsPage, map[string]any{
		"Info": a.doc.Info, "Operations": a.doc.lines(), "Schemas": schemas, "Problems": problems,
	})
}

const docsPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Info.Title}} API</title>
<style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{overflow:auto;white-space:pre-wrap}
section{border-top:1px solid;padding:1rem 0}
dt{font-family:ui-monospace,monospace}
</style></head><body>
<h1>{{.Info.Title}} API {{.Info.Version}}</h1>
<p>{{.Info.Description}}</p>
<p>The same for programs: <a href="/v1/openapi.json">/v1/openapi.json</a></p>
{{range .Operations}}<section><h2><code>{{.Method}} {{.Path}}</code></h2>
<p><strong>{{.Summary}}</strong></p>{{with .Description}}<p>{{.}}</p>{{end}}
{{with .Parameters}}<dl>{{range .}}<dt>{{.Name}} ({{.In}}{{if .Required}}, required{{end}})</dt><dd>{{.Description}}</dd>{{end}}</dl>{{end}}
{{with .Body}}<p>Body: <a href="#{{.}}">{{.}}</a></p>{{end}}
<dl>{{range .Responses}}<dt>{{.Status}}</dt><dd>{{.Description}}</dd>{{end}}</dl></section>
{{end}}
<h2>Problem codes</h2><dl>{{range $code, $status := .Problems}}<dt id="{{$code}}">{{$code}}</dt><dd>status {{$status}}</dd>{{end}}</dl>
<h2>Schemas</h2>{{range $name, $text := .Schemas}}<section id="{{$name}}"><h3>{{$name}}</h3><pre>{{$text}}</pre></section>{{end}}
</body></html>`
