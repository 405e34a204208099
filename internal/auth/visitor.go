// Package auth says who makes a request.
package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"patchlab/internal/model"
)

// VisitorCookie is the cookie by which a visitor without an account is known.
const VisitorCookie = "patchlab_anon"

const (
	visitorBytes = 32
	visitorLife  = 365 * 24 * time.Hour
)

// Visitors knows visitors without an account by a random cookie. The database
// holds its hash only, so that who reads the database cannot pose as anybody.
type Visitors struct {
	random io.Reader
	secure bool
}

// NewVisitors returns Visitors that draw from random, which must be safe for
// concurrent use. secure says that people come by HTTPS.
func NewVisitors(random io.Reader, secure bool) *Visitors {
	return &Visitors{random: random, secure: secure}
}

// Known returns the visitor of a request, ok = false without a valid cookie.
func (v *Visitors) Known(r *http.Request) (caller model.Caller, ok bool) {
	cookie, err := r.Cookie(VisitorCookie)
	if err != nil {
		return model.Caller{}, false
	}
	return callerOf(cookie.Value)
}

// Admit returns the visitor of a request. One without a valid cookie becomes a
// new visitor; cookie is then to be set.
func (v *Visitors) Admit(r *http.Request) (caller model.Caller, cookie *http.Cookie, err error) {
	if caller, ok := v.Known(r); ok {
		return caller, nil, nil
	}
	secret := make([]byte, visitorBytes)
	if _, err := io.ReadFull(v.random, secret); err != nil {
		return model.Caller{}, nil, fmt.Errorf("draw a visitor's cookie: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(secret)
	caller, _ = callerOf(value)
	return caller, &http.Cookie{
		Name:     VisitorCookie,
		Value:    value,
		Path:     "/",
		MaxAge:   int(visitorLife.Seconds()),
		Secure:   v.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}, nil
}

// callerOf returns the visitor of a cookie's value.
func callerOf(value string) (model.Caller, bool) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(secret) != visitorBytes {
		return model.Caller{}, false
	}
	sum := sha256.Sum256(secret)
	return model.Caller{AnonKey: hex.EncodeToString(sum[:])}, true
}
