package fx

import (
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// Reverb is a feedback delay network of sixteen lines behind four diffusing
// all-passes a side (Jot and Chaigne, "Digital delay networks for designing
// artificial reverberators", 1991). The lines meet in a matrix of entries of equal
// magnitude; each has a gain that makes it fall by 60 dB in the reverberation time and a
// first-order low-pass that halves that time an octave above the damping frequency.
//
// Every line is longer than a block, so the network is computed a block of each line
// at a time.
type Reverb struct {
	wet      [2]vec.Wet // a side
	pre      [2]ring
	diff     [2][vec.AllPasses]diffuser
	diffuse  vec.Diffusion // of the side at work
	line     [vec.Lines]tape
	net      vec.Network
	sway     [vec.Lines]sway
	frame    int64 // the next
	in       [2][maxFrames]float32
	from, to [vec.Lines][maxFrames]float32 // of lines that do not stand in one piece
}

// Lengths in frames at 48 kHz: primes, the lines spread over 31 to 99 ms evenly on a
// logarithmic scale, so that no two share echoes; together they hold about one
// second, one mode for each hertz.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var (
	lineFrames = [vec.Lines]float64{2333, 2003, 3137, 4561, 4231, 2503, 1609, 3373, 3923, 1867, 2917, 1487, 3637, 2161, 1733, 2699}
	diffFrames = [2][vec.AllPasses]float64{{113, 167, 241, 353}, {127, 181, 263, 379}}
)

const (
	designRate = 48000
	// shortTime in seconds is that of the shortest reverberation with lines of full length.
	shortTime = 0.25
	// undamped is the damping frequency in Hz at which the lines have no low-pass.
	undamped = 20000
	// diffusion is the most that the gain of the all-passes is: in a short reverberation
	// they must not ring longer than its lines.
	diffusion = 0.6
)

// NewReverb returns a reverberator, nil where its mix is 0.
func NewReverb(p patch.Reverb, rate float64) *Reverb {
	if p.Mix <= 0 {
		return nil
	}
	// In a very short one the lines are shorter, too, or it could not be over in time.
	size := min(1, p.Time/shortTime)
	r := &Reverb{diffuse: vec.Diffusion{Gain: float32(min(diffusion, 0.25+float64(0.5*p.Time)))}}
	for side := range r.pre {
		r.pre[side] = newRing(int(float64(p.PreDelay * rate)))
		for i := range r.diff[side] {
			r.diff[side][i] = newDiffuser(frames(float64(size*diffFrames[side][i]), rate))
		}
	}
	mean := 0.0
	for i := range r.line {
		n := frames(float64(size*lineFrames[i]), rate)
		r.line[i] = newTape(n)
		gain := dmath.Gain(-60 * (float64(n) / float64(rate*p.Time)))
		damp := 0.0
		if p.Damping < undamped {
			// An octave above the damping frequency another −60 dB in the same time: one
			// pole with the gain of a pass there and 1 at 0 Hz.
			damp = onePole(gain, 2*(p.Damping/rate))
		}
		r.net.Gain[i], r.net.Damp[i] = float32(float64(0.5*gain)*(1-damp)), float32(damp)
		mean += float64(gain / vec.Lines)
		if p.Modulation > 0 {
			r.sway[i] = newSway(i, p.Modulation, rate)
		}
	}
	// A loop with the gain g keeps 1/(1−g²) times the energy that it is fed.
	const early, late = 0.5, 0.9
	wet := float64(late*p.Mix) * math.Sqrt(1-float64(mean*mean))
	for side := range r.wet {
		r.wet[side] = vec.Wet{DryGain: float32(1 - p.Mix), Gain: float32(wet), InGain: float32(early * p.Mix)}
	}
	return r
}

func frames(at48k, rate float64) int { return int(math.Round(float64(at48k * (rate / designRate)))) }

// onePole returns the coefficient p of y += (1−p)(x−y) that has 0 dB at 0 Hz and
// about the gain d at a frequency in turns per frame: that of the analogue
// low-pass, which also holds where the frequency is above half the rate.
func onePole(d, f float64) float64 {
	if d > 0.9999 {
		return 0
	}
	corner := f / math.Sqrt(1/float64(d*d)-1)
	return dmath.Exp2(float64(-2 * dmath.Pi / math.Ln2 * corner))
}

// Process adds the reverberation to left and right, of at most 256 frames, in place.
func (r *Reverb) Process(left, right []float32) {
	n := len(left)
	dry := [2][]float32{left, right}
	in := [2][]float32{r.in[0][:n], r.in[1][:n]}
	for side := range dry {
		src := dry[side]
		if pre := &r.pre[side]; len(pre.frames) > 0 {
			copy(in[side], src)
			src = in[side]
			pre.delay(src)
		}
		for k := range r.diff[side] {
			r.diffuse.Old[k], r.diffuse.Next[k] = r.diff[side][k].next(n)
		}
		vec.Diffuse(in[side], src, &r.diffuse)
	}
	for k := range r.line {
		line := &r.line[k]
		r.net.From[k], r.net.To[k] = line.piece(line.at), line.piece(line.end())
		switch {
		case r.sway[k].depth > 0:
			r.net.From[k] = &r.from[k]
			r.sway[k].peek(line, r.from[k][:n], r.frame)
		case r.net.From[k] == nil:
			r.net.From[k] = &r.from[k]
			line.peek(r.from[k][:n])
		}
		if r.net.To[k] == nil {
			r.net.To[k] = &r.to[k]
		}
	}
	r.net.Process(in[0], in[1])
	for k := range r.line {
		if r.net.To[k] == &r.to[k] {
			r.line[k].put(r.to[k][:n])
		}
		r.line[k].on(n)
	}
	r.frame += int64(n)
	// A row of each group for either side, so that no two share a line. What goes into the
	// groups itself is in two of them and goes out.
	for group := range vec.Group {
		r.wet[0].Rows[group] = r.net.To[vec.Fed(group, 1)]
		r.wet[1].Rows[group] = r.net.To[vec.Fed(group, 2)]
	}
	vec.Blend(left, in[0], &r.wet[0])
	vec.Blend(right, in[1], &r.wet[1])
}

// tape is a delay line of a fixed number of frames that can be read and written a block
// at a time, in different places.
type tape struct {
	frames []float32 // delay and maxFrames
	delay  int
	at     int // the oldest
}

func newTape(delay int) tape { return tape{make([]float32, delay+maxFrames), delay, 0} }

// end returns where the next frame goes.
func (d *tape) end() int { return wrap(d.at+d.delay, len(d.frames)) }

// piece returns the block from a place on, nil where it does not stand in one piece.
func (d *tape) piece(at int) *[maxFrames]float32 {
	if at+maxFrames > len(d.frames) {
		return nil
	}
	return (*[maxFrames]float32)(d.frames[at:])
}

// peek copies the oldest frames into x.
func (d *tape) peek(x []float32) {
	n := copy(x, d.frames[d.at:])
	copy(x[n:], d.frames)
}

// read returns len(spare) frames from a place on, in spare where they do not stand in one
// piece.
func (d *tape) read(at int, spare []float32) []float32 {
	if at+len(spare) <= len(d.frames) {
		return d.frames[at:][:len(spare)]
	}
	n := copy(spare, d.frames[at:])
	copy(spare[n:], d.frames)
	return spare
}

// put writes the next frames.
func (d *tape) put(x []float32) {
	n := copy(d.frames[d.end():], x)
	copy(d.frames, x[n:])
}

// on forgets the n oldest frames.
func (d *tape) on(n int) { d.at = wrap(d.at+n, len(d.frames)) }

// ring is a delay of a fixed number of frames.
type ring struct {
	frames []float32
	at     int // the oldest
}

func newRing(n int) ring { return ring{frames: make([]float32, n)} }

// next returns the oldest frames, n at most and as many as stand in one piece, and
// steps past them.
func (d *ring) next(n int) []float32 {
	piece := d.frames[d.at:]
	if len(piece) > n {
		piece = piece[:n]
	}
	if d.at += len(piece); d.at == len(d.frames) {
		d.at = 0
	}
	return piece
}

// delay delays x in place.
func (d *ring) delay(x []float32) {
	for len(x) > 0 {
		piece := d.next(len(x))
		for i, v := range x[:len(piece)] {
			x[i], piece[i] = piece[i], v
		}
		x = x[len(piece):]
	}
}

// diffuser is the memory of an all-pass. What goes into its delay stands in one piece, the
// oldest at the place at; at the end of the memory it goes back to the start.
type diffuser struct {
	frames []float32
	delay  int
	at     int
}

// diffuserBlocks is how many blocks go into the memory before it is full.
const diffuserBlocks = 8

func newDiffuser(delay int) diffuser {
	return diffuser{make([]float32, delay+diffuserBlocks*maxFrames), delay, 0}
}

// next returns the n oldest frames and where those go that come in now, and steps past
// them.
func (d *diffuser) next(n int) (old, next []float32) {
	if d.at+d.delay+n > len(d.frames) {
		copy(d.frames, d.frames[d.at:d.at+d.delay])
		d.at = 0
	}
	at := d.at
	d.at += n
	return d.frames[at:], d.frames[at+d.delay:]
}

// sway moves the place at which a line is read to and fro, so that its modes waver.
// It reads a little ahead of the line's end.
type sway struct {
	depth float64 // frames to either side
	phase float64 // turns
	step  float64 // turns a frame
}

// newSway returns the movement of the i-th line: up to 0.4 ms to either side at rates
// of 0.3 to 1.1 Hz, which no two lines share.
func newSway(i int, amount, rate float64) sway {
	const golden = 0.6180339887498949
	place := float64(float64(i) * golden)
	place -= math.Floor(place)
	return sway{depth: float64(float64(amount*0.0004) * rate), phase: place, step: (0.3 + float64(0.8*place)) / rate}
}

// swayStep is the number of frames over which the movement is a straight line.
const swayStep = 32

// ahead returns how many frames before the end of its line it reads.
func (s *sway) ahead(frame int64) float64 {
	return 1 + float64(s.depth*(1+dmath.SinTurns(s.phase+float64(float64(frame)*s.step))))
}

// peek copies what stands at the moving place into x, which starts at a frame.
func (s *sway) peek(d *tape, x []float32, frame int64) {
	var piece [swayStep + 3]float32
	at := d.at
	for len(x) > 0 {
		k := frame % swayStep
		from, to := s.ahead(frame-k), s.ahead(frame-k+swayStep)
		slope := (to - from) / swayStep
		from += float64(slope * float64(k))
		whole := int(from)
		part := from - float64(whole)
		n := min(len(x), int(swayStep-k), stays(part, slope))
		src := d.read(wrap(at+whole-1, len(d.frames)), piece[:n+3])
		vec.Cubic(x[:n], src, float32(part), float32(slope))
		frame += int64(n)
		at += n
		x = x[n:]
	}
}

// stays returns for how many frames, 1 at least, a part of a frame that changes by slope
// a frame stays between 0 and 1.
func stays(part, slope float64) int {
	switch {
	case slope > 0:
		return 1 + int(min(swayStep, (1-part)/slope))
	case slope < 0:
		return 1 + int(min(swayStep, part/-slope))
	default:
		return swayStep
	}
}

func wrap(i, n int) int {
	if i >= n {
		return i - n
	}
	return i
}
