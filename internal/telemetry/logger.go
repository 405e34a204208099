// Package telemetry makes PatchLAB observable: its log.
package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

// Redacted stands where a secret would.
const Redacted = "[redacted]"

// NewLogger returns a logger that writes one JSON object a line to w. Whatever
// is logged, no secret, token, password or e-mail address gets through: neither
// under a telling name nor inside a text.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	r := newRedactor()
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: r.replace}))
}

// redactor knows what must not be logged.
type redactor struct {
	names []string // parts of attribute names, lower case, without _ - and .
	texts []rule
}

// rule finds secrets in a text and says what to put in their place.
type rule struct {
	find *regexp.Regexp
	with string
}

func newRedactor() redactor {
	return redactor{
		names: []string{
			"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie",
			"apikey", "privatekey", "credential", "email", "dsn", "jwt",
		},
		texts: []rule{
			// user:password@ in a URL, as drivers put them into their errors
			{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#@]*@`), "${1}" + Redacted + "@"},
			{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}`), "${1} " + Redacted},
			// a JWT: three base64url parts, the first of which opens a JSON object
			{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]*`), Redacted},
			{regexp.MustCompile(`(?i)\b((?:[a-z_]*(?:password|passwd|secret|token|api_?key))["']?\s*[=:]\s*["']?)[^\s"'&,;}]+`), "${1}" + Redacted},
			{regexp.MustCompile(`(?i)[a-z0-9.!#$%&'*+/=?^_{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+`), Redacted},
		},
	}
}

// replace implements slog.HandlerOptions.ReplaceAttr.
func (r redactor) replace(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	if r.telling(a.Key) || slices.ContainsFunc(groups, r.telling) {
		return slog.String(a.Key, Redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(r.text(a.Value.String()))
	case slog.KindAny:
		a.Value = r.any(a.Value.Any())
	}
	return a
}

// telling reports whether a name announces a secret.
func (r redactor) telling(name string) bool {
	name = strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	return slices.ContainsFunc(r.names, func(part string) bool { return strings.Contains(name, part) })
}

func (r redactor) text(s string) string {
	for _, rule := range r.texts {
		s = rule.find.ReplaceAllString(s, rule.with)
	}
	return s
}

// any redacts errors and things that print themselves as text, and everything
// else as the JSON that the handler would make of it.
func (r redactor) any(v any) slog.Value {
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(r.text(v.Error()))
	case json.Marshaler:
	case fmt.Stringer:
		return slog.StringValue(r.text(v.String()))
	}
	data, err := json.Marshal(v)
	if err != nil {
		return slog.StringValue(fmt.Sprintf("a %T that cannot be logged", v))
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return slog.StringValue(fmt.Sprintf("a %T that cannot be logged", v))
	}
	return slog.AnyValue(r.plain(plain))
}

// plain walks what JSON decodes to.
func (r redactor) plain(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		for i := range v {
			v[i] = r.plain(v[i])
		}
	case map[string]any:
		for name := range v {
			if r.telling(name) {
				v[name] = Redacted
			} else {
				v[name] = r.plain(v[name])
			}
		}
	}
	return v
}
