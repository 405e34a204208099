package model

import (
	"errors"
	"fmt"
	"time"
)

// Code is a stable, machine-readable kind of error. The HTTP edge maps each to
// one status.
type Code string

// The codes.
const (
	CodeBadRequest   Code = "bad_request"           // the request cannot be parsed
	CodeInvalid      Code = "invalid"               // parsed, but a field is wrong
	CodeUnauthorized Code = "unauthorized"          // who are you
	CodeForbidden    Code = "forbidden"             // not with these credentials or headers
	CodeNotFound     Code = "not_found"             // absent, or someone else's
	CodeConflict     Code = "conflict"              // the state does not allow it
	CodeKeyReused    Code = "idempotency_reused"    // same key, another body
	CodeTooLarge     Code = "too_large"             // body above the limit
	CodeUnsupported  Code = "unsupported_type"      // wrong content type
	CodeNotReady     Code = "not_ready"             // the sound is not rendered yet
	CodeGone         Code = "gone"                  // its audio has expired
	CodeRestoring    Code = "restoring"             // its audio was put away and is rendered again
	CodeRateLimited  Code = "rate_limited"          // too many requests
	CodeQuota        Code = "quota_exceeded"        // too much queued or stored
	CodeUnavailable  Code = "unavailable"           // a part we need is down
	CodeInternal     Code = "internal"              // our fault
	CodeMethod       Code = "method_not_allowed"    // the path exists, the method does not
	CodeRange        Code = "range_not_satisfiable" // a Range outside the file
	CodePrecondition Code = "precondition_failed"   // If-Match names another file
	CodeMismatch     Code = "engine_mismatch"       // a file of another engine version
)

// FieldError names one wrong field, what is wrong and how to mend it.
type FieldError struct {
	Field   string `json:"field"`   // path in the request, such as "variations" or "overrides.layers.0.filter.cutoff"
	Message string `json:"message"` // for people: what is wrong, the range and the unit
}

// Error is the one error type of PatchLAB. Message and Fields are safe to show;
// Err is for the log only.
type Error struct {
	Code       Code
	Message    string
	Fields     []FieldError
	RetryAfter time.Duration // 0 = unknown
	Err        error
}

// Error implements error with the cause, for logs.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a user-safe message.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with a user-safe message and the cause for the log.
func Wrap(code Code, err error, message string) *Error {
	return &Error{Code: code, Message: message, Err: err}
}

// Invalid makes a CodeInvalid error for the given fields.
func Invalid(fields ...FieldError) *Error {
	msg := "the request has a field that is not valid"
	if len(fields) > 1 {
		msg = fmt.Sprintf("the request has %d fields that are not valid", len(fields))
	}
	return &Error{Code: CodeInvalid, Message: msg, Fields: fields}
}

// CodeOf returns the code of err, CodeInternal where it has none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
