package fx

import (
	"math"

	"patchlab/engine/dmath"
)

// passes returns how often something is multiplied by gain until it is 60 dB down;
// 0 where once is enough.
func passes(gain float64) float64 { return fades(1, gain) }

// fades returns how often a level is multiplied by gain until it is at −60 dB; 0
// where it is there already, or once is enough.
func fades(level, gain float64) float64 {
	gain = min(math.Abs(gain), 1-1e-9)
	if gain < 1e-3 || level < 1e-3 {
		return 0
	}
	return dmath.Log2(float64(1000*level)) / -dmath.Log2(gain)
}
