package vec

// Lines is the number of delay lines of a Network.
const Lines = 16

// MaxBlock is the largest number of samples of one call of Network.Process.
const MaxBlock = 256

// Network is the heart of a feedback delay network: what comes out of its lines is
// damped, mixed by a Hadamard matrix, and goes in again.
type Network struct {
	Gain   [Lines]float32 // of a pass, times 1−Damp, over 4: the matrix here has the gain 4
	Damp   [Lines]float32 // coefficient of each line's one-pole low-pass
	Memory [Lines]float32 // of the low-passes
	Block  [Lines][MaxBlock]float32
}

// processPlain takes what comes out of the lines from Block, adds two rows of the
// matrix, which share nothing, to outL and outR, and puts what goes into the lines, with inL added to the even
// ones and inR to the odd ones, into Block.
func (n *Network) processPlain(inL, inR, outL, outR []float32) {
	size := len(inL)
	inR, outL, outR = inR[:size], outL[:size], outR[:size]
	// The low-passes: four lines at a time, whose recursions run side by side.
	for k := 0; k < Lines; k += 4 {
		a, b, c, d := n.Block[k][:size], n.Block[k+1][:size], n.Block[k+2][:size], n.Block[k+3][:size]
		ga, gb, gc, gd := n.Gain[k], n.Gain[k+1], n.Gain[k+2], n.Gain[k+3]
		da, db, dc, dd := n.Damp[k], n.Damp[k+1], n.Damp[k+2], n.Damp[k+3]
		ma, mb, mc, md := n.Memory[k], n.Memory[k+1], n.Memory[k+2], n.Memory[k+3]
		for i := range a {
			ma = float32(ga*a[i]) + float32(da*ma)
			mb = float32(gb*b[i]) + float32(db*mb)
			mc = float32(gc*c[i]) + float32(dc*mc)
			md = float32(gd*d[i]) + float32(dd*md)
			a[i], b[i], c[i], d[i] = ma, mb, mc, md
		}
		n.Memory[k], n.Memory[k+1], n.Memory[k+2], n.Memory[k+3] = ma, mb, mc, md
	}
	n.mix(inL, inR, outL, outR)
}

// mix sends the lines of each frame through the matrix, in four rounds of sums and
// differences.
func (n *Network) mix(inL, inR, outL, outR []float32) {
	b := &n.Block
	for j := range inL {
		i := uint8(j) // which needs no check against MaxBlock
		a0, a1, a2, a3 := b[0][i]+b[1][i], b[0][i]-b[1][i], b[2][i]+b[3][i], b[2][i]-b[3][i]
		a4, a5, a6, a7 := b[4][i]+b[5][i], b[4][i]-b[5][i], b[6][i]+b[7][i], b[6][i]-b[7][i]
		a0, a2, a1, a3 = a0+a2, a0-a2, a1+a3, a1-a3
		a4, a6, a5, a7 = a4+a6, a4-a6, a5+a7, a5-a7
		a0, a4, a1, a5 = a0+a4, a0-a4, a1+a5, a1-a5
		a2, a6, a3, a7 = a2+a6, a2-a6, a3+a7, a3-a7
		b[0][i], b[1][i], b[2][i], b[3][i], b[4][i], b[5][i], b[6][i], b[7][i] = a0, a1, a2, a3, a4, a5, a6, a7
	}
	for j := range inL {
		i := uint8(j)
		a8, a9, a10, a11 := b[8][i]+b[9][i], b[8][i]-b[9][i], b[10][i]+b[11][i], b[10][i]-b[11][i]
		a12, a13, a14, a15 := b[12][i]+b[13][i], b[12][i]-b[13][i], b[14][i]+b[15][i], b[14][i]-b[15][i]
		a8, a10, a9, a11 = a8+a10, a8-a10, a9+a11, a9-a11
		a12, a14, a13, a15 = a12+a14, a12-a14, a13+a15, a13-a15
		a8, a12, a9, a13 = a8+a12, a8-a12, a9+a13, a9-a13
		a10, a14, a11, a15 = a10+a14, a10-a14, a11+a15, a11-a15

		l, r := inL[j], inR[j]
		a0, a1, a2, a3, a4, a5, a6, a7 := b[0][i], b[1][i], b[2][i], b[3][i], b[4][i], b[5][i], b[6][i], b[7][i]
		outL[j] += a5 + a13
		outR[j] += a2 - a10
		b[0][i], b[8][i] = l+(a0+a8), l+(a0-a8)
		b[1][i], b[9][i] = r+(a1+a9), r+(a1-a9)
		b[2][i], b[10][i] = l+(a2+a10), l+(a2-a10)
		b[3][i], b[11][i] = r+(a3+a11), r+(a3-a11)
		b[4][i], b[12][i] = l+(a4+a12), l+(a4-a12)
		b[5][i], b[13][i] = r+(a5+a13), r+(a5-a13)
		b[6][i], b[14][i] = l+(a6+a14), l+(a6-a14)
		b[7][i], b[15][i] = r+(a7+a15), r+(a7-a15)
	}
}
