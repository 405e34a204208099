// Package banned is what the portability gate must refuse, once for each rule.
package banned

import (
	m "math"
	"math/cmplx"
	"math/rand"
	"time"
)

// Sine differs between machines.
func Sine(x float64) float64 { return m.Sin(x) }

// Hidden holds functions that differ between machines as values.
func Hidden() []func(float64) float64 { return []func(float64) float64{m.Exp2, m.Tanh} }

// Turn uses complex numbers, of which products are fused.
func Turn(x complex128) complex64 { return complex64(cmplx.Exp(x)) }

// Chance makes the sound depend on more than its recipe.
func Chance() float64 { return rand.Float64() + float64(time.Now().Unix()) }

// Vector has operations that no other machine has.
type Vector struct{}

// MulAdd is fused.
func (v Vector) MulAdd(_, _ Vector) Vector { return v }

// ReciprocalSqrt is approximate.
func (v Vector) ReciprocalSqrt() Vector { return v }

// Fuse calls them.
func Fuse(v Vector) Vector { return v.MulAdd(v, v.ReciprocalSqrt()) }
