// Package fine holds what the portability gate must let pass.
package fine

import "math"

// Length uses what is identical on every machine.
func Length(x, y float64) float64 {
	return math.Sqrt(float64(x*x)+float64(y*y)) * (math.Pi / math.Floor(3.5))
}
