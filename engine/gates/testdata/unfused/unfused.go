// Package unfused holds what the fused-operation gate must let pass.
package unfused

// MulAdd is rounded twice on every machine.
func MulAdd(x, y, z float64) float64 { return float64(x*y) + z }
