package filter

// order is the number of samples that a delay is interpolated from.
const order = 6

// weigh puts into w the weights of the samples around a delay, the oldest first, by
// Lagrange's polynomial through them (Laakso, Välimäki, Karjalainen and Laine,
// "Splitting the unit delay", 1996), and returns how long ago the first of them was
// written. The delay is 1 sample or more; below 3 samples, where the newest is not
// there yet, it takes 4 of them, and below 2 it takes 2. At both limits all ways are
// the same.
func weigh(w *[order]float32, delay float64) (oldest int) {
	whole := int(max(1, delay))
	f := delay - float64(whole)
	// Distances to the samples, from the one 2 later to the one 3 earlier.
	a, b, c, d, e, g := f+2, f+1, f, f-1, f-2, f-3
	bc, de := float64(b*c), float64(d*e)
	switch whole {
	case 1:
		*w = [order]float32{2: float32(c), 3: float32(-d)}
	case 2:
		*w = [order]float32{
			1: float32(float64(bc*d) * (1.0 / 6)),
			2: float32(float64(bc*e) * (-1.0 / 2)),
			3: float32(float64(b*de) * (1.0 / 2)),
			4: float32(float64(c*de) * (-1.0 / 6)),
		}
	default:
		ag := float64(a * g)
		w[0] = float32(float64(float64(a*bc)*de) * (1.0 / 120))
		w[1] = float32(float64(float64(ag*bc)*d) * (-1.0 / 24))
		w[2] = float32(float64(float64(ag*bc)*e) * (1.0 / 12))
		w[3] = float32(float64(float64(ag*b)*de) * (-1.0 / 12))
		w[4] = float32(float64(float64(ag*c)*de) * (1.0 / 24))
		w[5] = float32(float64(float64(bc*g)*de) * (-1.0 / 120))
	}
	return whole + order/2
}
