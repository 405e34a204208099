package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"patchlab/internal/model"
)

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type      string             `json:"type"`
	Title     string             `json:"title"`
	Status    int                `json:"status"`
	Detail    string             `json:"detail"`
	Code      model.Code         `json:"code"`
	RequestID string             `json:"request_id"`
	Errors    []model.FieldError `json:"errors,omitempty"`
}

// status maps each code to its HTTP status: the one place that does.
func status(code model.Code) int {
	switch code {
	case model.CodeBadRequest:
		return http.StatusBadRequest
	case model.CodeInvalid, model.CodeKeyReused, model.CodeMismatch:
		return http.StatusUnprocessableEntity
	case model.CodeUnauthorized:
		return http.StatusUnauthorized
	case model.CodeForbidden:
		return http.StatusForbidden
	case model.CodeNotFound:
		return http.StatusNotFound
	case model.CodeConflict, model.CodeNotReady:
		return http.StatusConflict
	case model.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case model.CodeUnsupported:
		return http.StatusUnsupportedMediaType
	case model.CodeGone:
		return http.StatusGone
	case model.CodeRateLimited, model.CodeQuota:
		return http.StatusTooManyRequests
	case model.CodeUnavailable, model.CodeRestoring:
		return http.StatusServiceUnavailable
	case model.CodeMethod:
		return http.StatusMethodNotAllowed
	case model.CodeRange:
		return http.StatusRequestedRangeNotSatisfiable
	case model.CodePrecondition:
		return http.StatusPreconditionFailed
	default:
		return http.StatusInternalServerError
	}
}

// retryAfterDown is what a client is told to wait while a part is down, in seconds.
const retryAfterDown = 2

// problemOf turns an error into a problem document. Of an error that is not a
// *model.Error nothing is shown.
func problemOf(err error, requestID string) (p Problem, retryAfter int) {
	var e *model.Error
	if !errors.As(err, &e) {
		e = &model.Error{Code: model.CodeInternal, Message: "something went wrong on our side; the request id helps to find it"}
	}
	s := status(e.Code)
	if e.RetryAfter > 0 {
		retryAfter = int(math.Ceil(e.RetryAfter.Seconds()))
	} else if s == http.StatusServiceUnavailable {
		retryAfter = retryAfterDown
	}
	return Problem{
		Type:      "/docs#" + string(e.Code),
		Title:     http.StatusText(s),
		Status:    s,
		Detail:    e.Message,
		Code:      e.Code,
		RequestID: requestID,
		Errors:    e.Fields,
	}, retryAfter
}

// finish answers with the problem of an error; nil needs nothing.
func (a *API) finish(c *gin.Context, err error) {
	if err == nil {
		return
	}
	if errors.Is(err, errGone) || errors.Is(err, context.Canceled) && c.Request.Context().Err() != nil {
		c.Abort()
		return
	}
	p, retryAfter := problemOf(err, requestID(c))
	if p.Status >= http.StatusInternalServerError && p.Code != model.CodeRestoring {
		a.log.ErrorContext(c.Request.Context(), "a request failed", "request_id", p.RequestID, "route", c.FullPath(), "err", err)
	}
	if c.Writer.Written() {
		c.Abort() // a download that broke: the client sees that it is short
		return
	}
	if retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(retryAfter))
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Type", "application/problem+json")
	body, merr := json.Marshal(p)
	if merr != nil {
		a.log.ErrorContext(c.Request.Context(), "cannot encode a problem", "err", merr)
		c.AbortWithStatus(p.Status)
		return
	}
	c.Abort()
	c.Writer.WriteHeader(p.Status)
	a.write(c, body)
}

// write sends a body; that a client has gone is no matter for the log.
func (a *API) write(c *gin.Context, body []byte) {
	if _, err := c.Writer.Write(body); err != nil && c.Request.Context().Err() == nil {
		a.log.DebugContext(c.Request.Context(), "cannot write a response", "err", err)
	}
}

// reply answers with JSON.
func (a *API) reply(c *gin.Context, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	if c.Writer.Header().Get("Cache-Control") == "" {
		c.Header("Cache-Control", "no-store")
	}
	c.Header("Content-Type", "application/json")
	c.Writer.WriteHeader(status)
	a.write(c, body)
	return nil
}

// nothing answers that all is done.
func (a *API) nothing(c *gin.Context) error {
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

// clip shortens a text of the client's for an error, and makes it valid.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:60]) + "…"
	}
	return s
}
