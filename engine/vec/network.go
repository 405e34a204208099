package vec

// Lines is the number of delay lines of a Network.
const Lines = 16

// MaxBlock is the largest number of samples of one call of Network.Process.
const MaxBlock = 256

// Network is the heart of a feedback delay network: what comes out of its lines is
// damped, mixed, and goes in again. Each half of the lines goes through a Hadamard
// matrix of its own, whose rows are shuffled into the lines of both halves: what is in
// one line is in eight after one pass and in all after two.
type Network struct {
	Gain   [Lines]float32 // of a pass, times 1−Damp, over √8: the matrices here have the gain √8
	Damp   [Lines]float32 // coefficient of each line's one-pole low-pass
	Memory [Lines]float32 // of the low-passes
	// From points to what comes out of each line, To to where what goes in is put. What
	// From points to is written over; no block is both.
	From, To [Lines]*[MaxBlock]float32
	// Rows are those of the two matrices that are let out: they share nothing.
	Rows [2]struct{ Left, Right [MaxBlock]float32 }
}

// halfLines is the number of lines of a half.
const halfLines = Lines / 2

// feed returns where the rows of a half go: every second line. Of the orders that were
// tried, this one leaves the least difference between the bands' reverberation times.
func (n *Network) feed(half int) (to [halfLines]*[MaxBlock]float32) {
	for k := range to {
		if half == 0 {
			to[k] = n.To[2*(k^2)]
		} else {
			to[k] = n.To[2*k+1]
		}
	}
	return to
}

// processPlain takes len(inL) frames from From through the matrices, whose rows go to
// To, with inL added to those of the first half and inR to those of the second.
func (n *Network) processPlain(inL, inR []float32) {
	for half, in := range [2][]float32{inL, inR} {
		k := half * halfLines
		from := (*[halfLines]*[MaxBlock]float32)(n.From[k:])
		n.dampPlain(k, len(in))
		to := n.feed(half)
		matrixPlain(from, &to, in, &n.Rows[half].Left, &n.Rows[half].Right)
	}
}

// dampPlain runs the low-passes of a half, from the k-th line on, side by side, so that
// none waits for itself.
func (n *Network) dampPlain(k, size int) {
	f := (*[halfLines]*[MaxBlock]float32)(n.From[k:])
	g, d, m := (*[halfLines]float32)(n.Gain[k:]), (*[halfLines]float32)(n.Damp[k:]), (*[halfLines]float32)(n.Memory[k:])
	f0, f1, f2, f3, f4, f5, f6, f7 := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
	_, _, _, _, _, _, _, _ = *f0, *f1, *f2, *f3, *f4, *f5, *f6, *f7 // then the loop need not look for nil
	m0, m1, m2, m3, m4, m5, m6, m7 := m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7]
	for j := range size {
		i := uint8(j) // which needs no check against MaxBlock
		m0 = float32(g[0]*f0[i]) + float32(d[0]*m0)
		m1 = float32(g[1]*f1[i]) + float32(d[1]*m1)
		m2 = float32(g[2]*f2[i]) + float32(d[2]*m2)
		m3 = float32(g[3]*f3[i]) + float32(d[3]*m3)
		m4 = float32(g[4]*f4[i]) + float32(d[4]*m4)
		m5 = float32(g[5]*f5[i]) + float32(d[5]*m5)
		m6 = float32(g[6]*f6[i]) + float32(d[6]*m6)
		m7 = float32(g[7]*f7[i]) + float32(d[7]*m7)
		f0[i], f1[i], f2[i], f3[i], f4[i], f5[i], f6[i], f7[i] = m0, m1, m2, m3, m4, m5, m6, m7
	}
	*m = [halfLines]float32{m0, m1, m2, m3, m4, m5, m6, m7}
}

// matrixPlain sends a half through its matrix, in three rounds of sums and differences.
func matrixPlain(from, to *[halfLines]*[MaxBlock]float32, in []float32, left, right *[MaxBlock]float32) {
	f0, f1, f2, f3, f4, f5, f6, f7 := from[0], from[1], from[2], from[3], from[4], from[5], from[6], from[7]
	t0, t1, t2, t3, t4, t5, t6, t7 := to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7]
	// Looked at here, none needs to be held to nil in the loop.
	_, _, _, _, _, _, _, _, _, _ = *f0, *f1, *f2, *f3, *f4, *f5, *f6, *f7, *left, *right
	_, _, _, _, _, _, _, _ = *t0, *t1, *t2, *t3, *t4, *t5, *t6, *t7
	for j, x := range in {
		i := uint8(j)
		a0, a1, a2, a3 := f0[i]+f1[i], f0[i]-f1[i], f2[i]+f3[i], f2[i]-f3[i]
		a4, a5, a6, a7 := f4[i]+f5[i], f4[i]-f5[i], f6[i]+f7[i], f6[i]-f7[i]
		a0, a2, a1, a3 = a0+a2, a0-a2, a1+a3, a1-a3
		a4, a6, a5, a7 = a4+a6, a4-a6, a5+a7, a5-a7
		a0, a4, a1, a5, a2, a6, a3, a7 = a0+a4, a0-a4, a1+a5, a1-a5, a2+a6, a2-a6, a3+a7, a3-a7
		left[i], right[i] = a5, a2
		t0[i], t1[i], t2[i], t3[i], t4[i], t5[i], t6[i], t7[i] = x+a0, x+a1, x+a2, x+a3, x+a4, x+a5, x+a6, x+a7
	}
}
