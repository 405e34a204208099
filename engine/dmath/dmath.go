// Package dmath computes the functions that the engine needs so that every CPU
// gives the same bits. The standard library's Sin, Exp2, Log and their like have
// assembly on some machines and fused operations on others; these are plain
// polynomials, and each product is converted explicitly, which forbids Go to fuse
// it with the addition that follows.
package dmath

import "math"

// Pi is the ratio of a circle's circumference to its diameter.
const Pi = math.Pi

// Taylor coefficients of sin(2πx) in odd powers of x, (−1)^k (2π)^(2k+1)/(2k+1)!.
const (
	s1  = 2 * Pi
	s3  = -s1 * s1 * s1 / 6
	s5  = -s3 * s1 * s1 / 20
	s7  = -s5 * s1 * s1 / 42
	s9  = -s7 * s1 * s1 / 72
	s11 = -s9 * s1 * s1 / 110
	s13 = -s11 * s1 * s1 / 156
	s15 = -s13 * s1 * s1 / 210
	s17 = -s15 * s1 * s1 / 272
)

// SinTurns returns sin(2πx) for a finite x in turns, within 1e-12 for |x| < 1e3.
func SinTurns(x float64) float64 {
	x -= math.Floor(x + 0.5) // −0.5 … 0.5
	if x > 0.25 {
		x = 0.5 - x
	} else if x < -0.25 {
		x = -0.5 - x
	}
	return SinQuarter(x)
}

// SinQuarter returns sin(2πx) for x in turns, |x| ≤ 0.25, within 1e-13.
func SinQuarter(x float64) float64 {
	y := float64(x * x)
	p := float64(s17*y) + s15
	p = float64(p*y) + s13
	p = float64(p*y) + s11
	p = float64(p*y) + s9
	p = float64(p*y) + s7
	p = float64(p*y) + s5
	p = float64(p*y) + s3
	p = float64(p*y) + s1
	return float64(p * x)
}

// SinQuarterShort returns sin(2πx) for x in turns, |x| ≤ 0.25, within 1e-9.
func SinQuarterShort(x float64) float64 {
	y := float64(x * x)
	p := float64(s13*y) + s11
	p = float64(p*y) + s9
	p = float64(p*y) + s7
	p = float64(p*y) + s5
	p = float64(p*y) + s3
	p = float64(p*y) + s1
	return float64(p * x)
}

// CosTurns returns cos(2πx) for a finite x in turns. The conversion keeps what a caller
// multiplied from being fused with the sum.
func CosTurns(x float64) float64 { return SinTurns(float64(x) + 0.25) }

// TanTurns returns tan(2πx) for x in turns; for |x| < 0.25.
func TanTurns(x float64) float64 { return SinTurns(x) / SinTurns(float64(x)+0.25) }

// ln2 powers over factorials: the Taylor series of 2^x.
const (
	e1  = math.Ln2
	e2  = e1 * math.Ln2 / 2
	e3  = e2 * math.Ln2 / 3
	e4  = e3 * math.Ln2 / 4
	e5  = e4 * math.Ln2 / 5
	e6  = e5 * math.Ln2 / 6
	e7  = e6 * math.Ln2 / 7
	e8  = e7 * math.Ln2 / 8
	e9  = e8 * math.Ln2 / 9
	e10 = e9 * math.Ln2 / 10
	e11 = e10 * math.Ln2 / 11
)

// Exp2 returns 2^x, within a relative 1e-14. Below −1000 it is 0, above 1000 it
// is 2^1000.
func Exp2(x float64) float64 {
	if !(x > -1000) { // NaN too
		return 0
	}
	x = min(x, 1000)
	n := math.Floor(x + 0.5)
	f := x - n
	// By pairs of terms, which need not wait for each other (Estrin, 1960).
	y := float64(f * f)
	yy := float64(y * y)
	a := float64(float64(e11*f)+e10) * y
	b := float64(float64(e9*f) + e8)
	c := float64(float64(e7*f)+e6) * y
	d := float64(float64(e5*f) + e4)
	e := float64(float64(e3*f)+e2) * y
	p := float64(float64((float64(a)+b)*yy) + (float64(c) + d))
	p = float64(p*yy) + (float64(e) + (float64(e1*f) + 1))
	// n is within ±1000, so the exponent is that of a normal number.
	return float64(p * math.Float64frombits(uint64(int64(n)+1023)<<52))
}

// Log2 returns the binary logarithm of a positive finite x, within 1e-14.
func Log2(x float64) float64 {
	frac, exp := math.Frexp(x)
	if frac < math.Sqrt2/2 {
		frac = float64(frac * 2)
		exp--
	}
	s := (frac - 1) / (frac + 1) // artanh series: ln m = 2(s + s³/3 + s⁵/5 + …)
	y := float64(s * s)
	p := 0.0
	for k := 23; k >= 1; k -= 2 {
		p = float64(p*y) + 1/float64(k)
	}
	return float64(exp) + float64(float64(2/math.Ln2*s)*p)
}

// octavesPerDecibel is log2(10)/20.
const octavesPerDecibel = math.Ln10 / math.Ln2 / 20

// Gain returns the linear gain of a level in dB.
func Gain(dB float64) float64 { return Exp2(float64(dB * octavesPerDecibel)) }

// Decibels returns the level in dB of a positive linear gain.
func Decibels(gain float64) float64 { return Log2(gain) / octavesPerDecibel }

// Ratio returns the frequency ratio of an interval in cents.
func Ratio(cents float64) float64 { return Exp2(cents / 1200) }

// Kaiser returns the Kaiser window with the shape beta at x, from −1 to 1, times a
// constant; 0 outside.
func Kaiser(x, beta float64) float64 {
	y := 1 - float64(x*x)
	if y < 0 {
		return 0
	}
	return bessel(float64(beta * math.Sqrt(y)))
}

// bessel is the modified Bessel function of the first kind of order 0, by its
// power series; for arguments up to 15.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; k < 40 && term > float64(1e-17*sum); k++ {
		h := x / float64(2*k)
		term = float64(term * float64(h*h))
		sum += term
	}
	return sum
}
