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
	// Block points to what comes out of each line, and to where what goes in is put.
	Block [Lines]*[MaxBlock]float32
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
	mixHalfPlain(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], len(inL))
	mixHalfPlain(b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15], len(inL))
	for k := range Lines / 2 {
		low, high, in := n.Block[k], n.Block[k+Lines/2], inL
		if k&1 == 1 {
			in = inR
		}
		switch k {
		case rowLeft:
			for j := range outL {
				i := uint8(j)
				outL[j] += low[i] + high[i]
			}
		case rowRight:
			for j := range outR {
				i := uint8(j)
				outR[j] += low[i] - high[i]
			}
		}
		for j, x := range in {
			i := uint8(j) // which needs no check against MaxBlock
			a, b := low[i], high[i]
			low[i], high[i] = x+(a+b), x+(a-b)
		}
	}
}

// The rows of the matrix that are let out: the sum with its fellow of the upper half, and
// the difference.
const (
	rowLeft  = 5
	rowRight = 2
)

// mixHalfPlain is the first three rounds of the matrix for eight lines.
func mixHalfPlain(b0, b1, b2, b3, b4, b5, b6, b7 *[MaxBlock]float32, size int) {
	for j := range size {
		i := uint8(j)
		a0, a1, a2, a3 := b0[i]+b1[i], b0[i]-b1[i], b2[i]+b3[i], b2[i]-b3[i]
		a4, a5, a6, a7 := b4[i]+b5[i], b4[i]-b5[i], b6[i]+b7[i], b6[i]-b7[i]
		a0, a2, a1, a3 = a0+a2, a0-a2, a1+a3, a1-a3
		a4, a6, a5, a7 = a4+a6, a4-a6, a5+a7, a5-a7
		b0[i], b1[i], b2[i], b3[i] = a0+a4, a1+a5, a2+a6, a3+a7
		b4[i], b5[i], b6[i], b7[i] = a0-a4, a1-a5, a2-a6, a3-a7
	}
}
