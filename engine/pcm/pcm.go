// Package pcm turns float samples into the bytes of PCM.
package pcm

import (
	"encoding/binary"
	"math"

	"patchlab/engine/rng"
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
	full := float64(int64(1) << (bits - 1))
	dither := rng.New(seed, ditherPlace)
	for i, x := range samples {
		n := round(x, full, dither.Bits(uint64(offset)+uint64(i)))
		if bits == 16 {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(n))
			continue
		}
		dst[3*i] = byte(n)
		dst[3*i+1] = byte(n >> 8)
		dst[3*i+2] = byte(n >> 16)
	}
}

// round returns the step that a sample falls on, dithered by random bits.
func round(x float32, full float64, bits uint64) int32 {
	if x == 0 || x != x {
		return 0
	}
	triangle := float64((float64(bits>>32) - float64(bits&0xffffffff)) / (1 << 32))
	n := math.Floor(float64(float64(x)*full) + float64(triangle) + 0.5)
	return int32(max(-full, min(full-1, n)))
}
