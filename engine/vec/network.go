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
	// From points to what comes out of each line, To to where what goes in is put; no
	// block is both.
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
	n.halfPlain(0, inL)
	n.halfPlain(1, inR)
}

// halfPlain runs a half through its low-passes and its matrix, which is three rounds of
// sums and differences.
func (n *Network) halfPlain(half int, in []float32) {
	k := half * halfLines
	f := (*[halfLines]*[MaxBlock]float32)(n.From[k:])
	g, d, m := (*[halfLines]float32)(n.Gain[k:]), (*[halfLines]float32)(n.Damp[k:]), (*[halfLines]float32)(n.Memory[k:])
	to := n.feed(half)
	left, right := &n.Rows[half].Left, &n.Rows[half].Right
	f0, f1, f2, f3, f4, f5, f6, f7 := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
	t0, t1, t2, t3, t4, t5, t6, t7 := to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7]
	// Looked at here, none needs to be held to nil in the loop.
	_, _, _, _, _, _, _, _ = *f0, *f1, *f2, *f3, *f4, *f5, *f6, *f7
	_, _, _, _, _, _, _, _ = *t0, *t1, *t2, *t3, *t4, *t5, *t6, *t7
	for j, x := range in {
		i := uint8(j) // which needs no check against MaxBlock
		a0 := float32(g[0]*f0[i]) + float32(d[0]*m[0])
		a1 := float32(g[1]*f1[i]) + float32(d[1]*m[1])
		m[0], m[1] = a0, a1
		a0, a1 = a0+a1, a0-a1
		a2 := float32(g[2]*f2[i]) + float32(d[2]*m[2])
		a3 := float32(g[3]*f3[i]) + float32(d[3]*m[3])
		m[2], m[3] = a2, a3
		a2, a3 = a2+a3, a2-a3
		a0, a2, a1, a3 = a0+a2, a0-a2, a1+a3, a1-a3
		a4 := float32(g[4]*f4[i]) + float32(d[4]*m[4])
		a5 := float32(g[5]*f5[i]) + float32(d[5]*m[5])
		m[4], m[5] = a4, a5
		a4, a5 = a4+a5, a4-a5
		a6 := float32(g[6]*f6[i]) + float32(d[6]*m[6])
		a7 := float32(g[7]*f7[i]) + float32(d[7]*m[7])
		m[6], m[7] = a6, a7
		a6, a7 = a6+a7, a6-a7
		a4, a6, a5, a7 = a4+a6, a4-a6, a5+a7, a5-a7
		a0 += x
		t0[i], t4[i] = a0+a4, a0-a4
		a1, a5 = a1+a5, a1-a5
		left[i], t1[i], t5[i] = a5, x+a1, x+a5
		a2, a6 = a2+a6, a2-a6
		right[i], t2[i], t6[i] = a2, x+a2, x+a6
		a3 += x
		t3[i], t7[i] = a3+a7, a3-a7
	}
}
