package vec

// Lines is the number of delay lines of a Network.
const Lines = 16

// MaxBlock is the largest number of samples of one call of Network.Process.
const MaxBlock = 256

// Network is the heart of a feedback delay network: what comes out of its lines is
// damped, mixed, and goes in again. Each group of four lines goes through a Hadamard
// matrix of its own, whose rows go to lines of all four groups: what is in one line is in
// four after one pass and in all after two.
type Network struct {
	Gain   [Lines]float32 // of a pass, times 1−Damp, over 2: the matrices here have the gain 2
	Damp   [Lines]float32 // coefficient of each line's one-pole low-pass
	Memory [Lines]float32 // of the low-passes
	// From points to what comes out of each line, To to where what goes in is put; no
	// block is both.
	From, To [Lines]*[MaxBlock]float32
}

// Group is the number of lines of a group, and that of the groups.
const Group = 4

// Fed returns the line that a row of a group goes to.
func Fed(group, row int) int { return Group*row + group }

// processPlain takes len(inL) frames from From through the matrices, whose rows go to
// To, with inL added to those of the first two groups and inR to those of the others.
func (n *Network) processPlain(inL, inR []float32) {
	for group := range Group {
		in := inL
		if group >= Group/2 {
			in = inR
		}
		n.groupPlain(group, in)
	}
}

// groupPlain runs a group through its low-passes and its matrix, which is two rounds of
// sums and differences.
func (n *Network) groupPlain(group int, in []float32) {
	k := group * Group
	f := (*[Group]*[MaxBlock]float32)(n.From[k:])
	g, d, m := (*[Group]float32)(n.Gain[k:]), (*[Group]float32)(n.Damp[k:]), (*[Group]float32)(n.Memory[k:])
	f0, f1, f2, f3 := f[0], f[1], f[2], f[3]
	t0, t1, t2, t3 := n.To[Fed(group, 0)], n.To[Fed(group, 1)], n.To[Fed(group, 2)], n.To[Fed(group, 3)]
	// Looked at here, none needs to be held to nil in the loop.
	_, _, _, _, _, _, _, _ = *f0, *f1, *f2, *f3, *t0, *t1, *t2, *t3
	d0, d1, d2, d3 := d[0], d[1], d[2], d[3]
	m0, m1, m2, m3 := m[0], m[1], m[2], m[3]
	for j, x := range in {
		i := uint8(j) // which needs no check against MaxBlock
		m0 = float32(g[0]*f0[i]) + float32(d0*m0)
		m1 = float32(g[1]*f1[i]) + float32(d1*m1)
		a, b := x+(m0+m1), x+(m0-m1)
		m2 = float32(g[2]*f2[i]) + float32(d2*m2)
		m3 = float32(g[3]*f3[i]) + float32(d3*m3)
		c, e := m2+m3, m2-m3
		t0[i], t1[i], t2[i], t3[i] = a+c, b+e, a-c, b-e
	}
	m[0], m[1], m[2], m[3] = m0, m1, m2, m3
}
