package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"patchlab/internal/model"
	"patchlab/internal/service"
)

// MaxBody is the size in bytes of the largest JSON body but a pack's, and of the
// largest WebSocket message.
const MaxBody = 64 << 10

// MaxPackBody is the same of a pack: five hundred sounds with the longest words and names,
// also where most characters are written as escapes.
const MaxPackBody = 2 << 20

// readJSON reads a JSON body of at most limit bytes, within bounds of time.
func (a *API) readJSON(c *gin.Context, limit int64) ([]byte, error) {
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, model.Errorf(model.CodeUnsupported, "the body must be JSON: send the header Content-Type: application/json")
	}
	if enc := c.GetHeader("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, model.Errorf(model.CodeUnsupported, "the body must not be compressed")
	}
	tooLarge := model.Errorf(model.CodeTooLarge, "the body must not be larger than %d KiB", limit>>10)
	if c.Request.ContentLength > limit {
		c.Header("Connection", "close") // the rest is not worth reading
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		c.Header("Connection", "close")
		return nil, tooLarge
	}
	if err != nil {
		c.Header("Connection", "close")
		return nil, model.Wrap(model.CodeBadRequest, err, "the body broke off before its end, or came too slowly")
	}
	// The server goes on reading, to learn when the client leaves: without end.
	a.readBy(c, time.Time{})
	return body, nil
}

// readBy sets the time by which what the client sends must be here.
func (a *API) readBy(c *gin.Context, deadline time.Time) {
	if err := http.NewResponseController(c.Writer).SetReadDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		a.log.DebugContext(c.Request.Context(), "cannot set a read deadline", "err", err)
	}
}

// object is a JSON object by field, each field as it was written.
type object map[string]json.RawMessage

// parseObject reads a JSON object, refusing what is broken, what follows it, and
// fields that stand in it twice.
func parseObject(data []byte) (object, error) {
	broken := func(d *json.Decoder, err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return model.Errorf(model.CodeBadRequest, "the JSON ends before it is complete")
		}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return model.Errorf(model.CodeBadRequest, "the JSON is broken at byte %d: %s", syntax.Offset, clip(syntax.Error()))
		}
		return model.Errorf(model.CodeBadRequest, "the JSON is broken near byte %d", d.InputOffset())
	}
	d := json.NewDecoder(bytes.NewReader(data))
	tok, err := d.Token()
	if err != nil {
		return nil, broken(d, err)
	}
	if tok != json.Delim('{') {
		return nil, model.Errorf(model.CodeBadRequest, "the JSON must be an object: {…}")
	}
	fields := object{}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return nil, broken(d, err)
		}
		name, _ := tok.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, broken(d, err)
		}
		if _, twice := fields[name]; twice {
			return nil, model.Invalid(model.FieldError{Field: clip(name), Message: "stands in the JSON twice: leave one of them out"})
		}
		fields[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, broken(d, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, model.Errorf(model.CodeBadRequest, "there is more after the end of the JSON")
	}
	return fields, nil
}

// reader takes fields out of an object and notes what is wrong with them.
type reader struct {
	fields object
	faults []model.FieldError
}

func (r *reader) fault(field, format string, args ...any) {
	r.faults = append(r.faults, model.FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// take removes a field; ok is false where it is absent, null or no valid UTF-8.
func (r *reader) take(name string) (raw json.RawMessage, ok bool) {
	raw, ok = r.fields[name]
	delete(r.fields, name)
	if !ok || string(raw) == "null" {
		return nil, false
	}
	if !utf8.Valid(raw) {
		r.fault(name, "is not valid UTF-8: send the words as UTF-8 text")
		return nil, false
	}
	return raw, true
}

func (r *reader) text(name string) (string, bool) {
	raw, ok := r.take(name)
	if !ok {
		return "", false
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		r.fault(name, "must be a text in quotes")
		return "", false
	}
	return s, true
}

// whole reads a whole number from lowest to highest.
func (r *reader) whole(name string, lowest, highest int64) (int64, bool) {
	x, ok := r.number(name)
	if !ok {
		return 0, false
	}
	if x != math.Trunc(x) || x < float64(lowest) || x > float64(highest) {
		r.fault(name, "must be a whole number from %d to %d", lowest, highest)
		return 0, false
	}
	return int64(x), true
}

// integer reads a whole number whose range the farm knows.
func (r *reader) integer(name string) (int, bool) {
	x, ok := r.number(name)
	if !ok {
		return 0, false
	}
	if x != math.Trunc(x) || math.Abs(x) > math.MaxInt32 {
		r.fault(name, "must be a whole number, and no such large one")
		return 0, false
	}
	return int(x), true
}

func (r *reader) number(name string) (float64, bool) {
	raw, ok := r.take(name)
	if !ok {
		return 0, false
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		r.fault(name, "must be a number")
		return 0, false
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		r.fault(name, "is a number beyond all bounds")
		return 0, false
	}
	return x, true
}

func (r *reader) flag(name string) bool {
	raw, ok := r.take(name)
	if !ok {
		return false
	}
	if s := string(raw); s != "true" && s != "false" {
		r.fault(name, "must be true or false")
	}
	return string(raw) == "true"
}

// rest notes all fields that nobody took, and returns the error of all faults.
func (r *reader) rest() error {
	for name := range r.fields {
		r.fault(clip(name), "is not a field of this request: check its spelling or leave it out")
	}
	if len(r.faults) == 0 {
		return nil
	}
	slices.SortFunc(r.faults, func(x, y model.FieldError) int { return strings.Compare(x.Field, y.Field) })
	return model.Invalid(r.faults...)
}

// maxOverrides bounds the patch values that a request may set by path.
const maxOverrides = 200

// readGenerate takes the fields of a GenerateRequest. Ranges are left to the farm,
// which knows them.
func readGenerate(r *reader) service.GenerateRequest {
	req := service.GenerateRequest{}
	if s, ok := r.text("prompt"); ok {
		req.Prompt = s
	}
	req.Variations = 1
	if n, ok := r.integer("variations"); ok {
		req.Variations = n
	}
	if n, ok := r.whole("seed", 0, math.MaxUint32); ok {
		seed := uint32(n)
		req.Seed = &seed
	}
	if x, ok := r.number("duration"); ok {
		req.Duration = &x
	}
	for name, field := range map[string]**int{"sample_rate": &req.SampleRate, "bit_depth": &req.BitDepth, "channels": &req.Channels} {
		if n, ok := r.integer(name); ok {
			*field = &n
		}
	}
	if raw, ok := r.take("overrides"); ok {
		fields, err := parseObject(raw)
		var e *model.Error
		switch {
		case errors.As(err, &e) && len(e.Fields) > 0:
			for _, f := range e.Fields {
				r.fault("overrides."+f.Field, "%s", f.Message)
			}
		case err != nil:
			r.fault("overrides", "must be an object of patch paths and values")
		case len(fields) > maxOverrides:
			r.fault("overrides", "must not have more than %d entries", maxOverrides)
		default:
			req.Overrides = fields
		}
	}
	return req
}

// requestHash identifies a request: the same fields in another order or spacing
// are the same request.
func requestHash(req any) ([]byte, error) {
	b, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode the request to hash it: %w", err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}
