// Package auth says who calls. It knows no HTTP: the edge brings it the secrets
// that it finds in requests.
package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"patchlab/internal/model"
)

// secretBytes is the size of a visitor's secret.
const secretBytes = 32

// Visitors knows people without an account by a random secret. The database holds
// its hash only, so that who reads the database cannot pose as anybody.
type Visitors struct {
	random io.Reader
}

// NewVisitors returns Visitors that draw from random, which must be safe for
// concurrent use.
func NewVisitors(random io.Reader) *Visitors { return &Visitors{random: random} }

// Known returns the visitor of a secret; ok is false where it cannot be one.
func (v *Visitors) Known(secret string) (caller model.Caller, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(raw) != secretBytes {
		return model.Caller{}, false
	}
	return callerOf(raw), true
}

// Draw makes a new visitor and the secret to know it by.
func (v *Visitors) Draw() (secret string, caller model.Caller, err error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(v.random, raw); err != nil {
		return "", model.Caller{}, fmt.Errorf("draw a visitor's secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), callerOf(raw), nil
}

func callerOf(raw []byte) model.Caller {
	sum := sha256.Sum256(raw)
	return model.Caller{AnonKey: hex.EncodeToString(sum[:])}
}
