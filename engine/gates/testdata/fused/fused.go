// Package fused is what the gate against fused operations must refuse.
package fused

// Fused is compiled to one operation where the processor has it.
func Fused(a, b, c float64) float64 { return a*b + c }

// Fused32 does the same in single precision.
func Fused32(a, b, c float32) float32 { return a*b + c }
