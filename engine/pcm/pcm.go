// Package pcm turns float samples into the bytes of PCM.
package pcm

import (
	"encoding/binary"
	"math"

	"patchlab/engine/rng"
	"patchlab/engine/vec"
)

// ditherPlace keys the dither's random numbers apart from all others of a seed.
const ditherPlace = 0xd17e

// Bytes returns the size of one sample of the given depth in bits.
func Bytes(bits int) int { return bits / 8 }

// Quantize writes samples to dst, little-endian: 16 or 24 bits as integers with
// triangular dither of ±1 step (TPDF: Lipshitz, Wannamaker and Vanderkooy,
// "Quantization and Dither", 1992), 32 bits as float. offset is the index of the
// first sample within the whole sound: the dither depends on it and on the seed
// alone, so that the sound can be written in pieces of any size. A sample that is
// exactly 0 stays 0: silence is silent. dst holds Bytes(bits) for each sample.
func Quantize(dst []byte, samples []float32, bits int, seed uint32, offset int64) {
	if bits == 32 {
		for i, x := range samples {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
		return
	}
	full := float32(int64(1) << (bits - 1))
	key := uint32(rng.New(seed, ditherPlace).Bits(0))
	var steps [vec.MaxBlock]int32
	for len(samples) > 0 {
		n := min(len(samples), len(steps))
		vec.Quantize(steps[:n], samples[:n], full, key, uint32(offset))
		if bits == 16 {
			for i, s := range steps[:n] {
				binary.LittleEndian.PutUint16(dst[2*i:], uint16(s))
			}
		} else {
			vec.Pack24(dst, steps[:n])
		}
		dst, samples, offset = dst[n*Bytes(bits):], samples[n:], offset+int64(n)
	}
}
